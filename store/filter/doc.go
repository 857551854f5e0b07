// Package filter is the language in which flows are chosen, in the UI, the API and
// the command line:
//
//	src_as = 15169 and (dst_port in (80, 443, 8000..8080) or proto = tcp)
//	    and not src_addr in 10.0.0.0/8
//
// A comparison is a field, an operator (= != < <= > >= in, not in) and a value, a
// range a..b, or a list of both in parentheses. Comparisons are joined by and, or,
// not and parentheses; and binds tighter than or. Most fields are columns of table
// flows; as, addr, port, interface, vlan and mac stand for either side of a flow.
//
// Parse checks everything, so that a filter that it returns is valid SQL. Values
// become bound parameters and fields columns from a table here: no text of a filter
// is ever part of a query.
package filter
