package simulator

// tail are the systems that have little traffic each, and that make transit what
// it is: many networks behind one interface. A customer talks to some of them.
var tail = []system{
	tailing(2856, true, "86.128.0.0/10"), tailing(5607, true, "90.192.0.0/11"), tailing(3269, true, "79.0.0.0/10"),
	tailing(5617, true, "83.0.0.0/11"), tailing(9121, true, "78.160.0.0/11"), tailing(3303, true, "85.0.0.0/13"),
	tailing(2119, true, "84.208.0.0/13"), tailing(719, true, "91.152.0.0/13"), tailing(5432, true, "91.176.0.0/12"),
	tailing(6848, true, "78.20.0.0/14"), tailing(13285, true, "78.144.0.0/13"), tailing(3352, true, "83.32.0.0/11"),
	tailing(12874, true, "93.32.0.0/11"), tailing(8447, true, "80.120.0.0/13"), tailing(3301, true, "81.224.0.0/12"),
	tailing(3292, true, "80.160.0.0/12"), tailing(5610, true, "88.100.0.0/14"), tailing(6799, true, "79.128.0.0/12"),
	tailing(3243, true, "85.240.0.0/13"), tailing(6697, true, "178.120.0.0/13"), tailing(8708, true, "188.24.0.0/14"),
	tailing(7018, true, "12.0.0.0/8"), tailing(701, true, "71.160.0.0/11"), tailing(812, true, "99.224.0.0/11"),
	tailing(577, true, "142.112.0.0/12"), tailing(8151, true, "189.128.0.0/9"), tailing(27699, true, "189.96.0.0/11"),
	tailing(4837, true, "123.112.0.0/12"), tailing(4766, true, "121.128.0.0/10"), tailing(17676, true, "126.0.0.0/8"),
	tailing(2516, true, "106.128.0.0/10"), tailing(9829, true, "117.192.0.0/10"), tailing(24560, true, "122.160.0.0/12"),
	tailing(1221, true, "120.144.0.0/12"), tailing(12389, true, "95.24.0.0/13"), tailing(2914, false, "129.250.0.0/16"),
	tailing(6939, false, "65.19.128.0/18"), tailing(63949, false, "139.162.0.0/16"), tailing(20473, false, "45.76.0.0/16"),
	tailing(51167, false, "173.212.192.0/18"), tailing(12876, false, "51.15.0.0/16"), tailing(8560, false, "217.160.0.0/16"),
	tailing(13238, false, "77.88.0.0/18"), tailing(47541, false, "87.240.128.0/18"), tailing(37963, false, "47.92.0.0/14"),
	tailing(132203, false, "43.152.0.0/16"), tailing(47583, false, "31.170.160.0/20"), tailing(45102, false, "47.88.0.0/14"),
}

func tailing(asn uint32, eyeballs bool, v4 string) system {
	return system{asn: asn, eyeballs: eyeballs, v4: prefix(v4), apps: []application{web}}
}

// connectTail makes the streams between a customer, the n-th one, and the tail.
func (n *Network) connectTail(c *customerSpec, number int) {
	const share = 0.0015 // of the customer's octets, for each system
	for i := range tail {
		if i%3 == number%3 {
			for _, down := range []bool{true, false} {
				n.addStreams(c, &tail[i], &tail[i].apps[0], down, false, share)
			}
		}
	}
}
