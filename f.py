import socket,time
d=bytearray(72); d[1]=5; d[3]=1; d[43]=1; d[47]=100
t=time.time()
def one(a):
    s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM); s.bind((a,0)); s.sendto(d,('127.0.0.1',42055)); s.close()
for i in range(20000): one(f'127.{10+(i>>16)}.{(i>>8)&255}.{i&255}')
print('flood',time.time()-t)
for k in range(8): one('127.1.1.1'); time.sleep(1)
