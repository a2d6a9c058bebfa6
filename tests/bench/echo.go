// SPDX-License-Identifier: MIT

// TCP echo server, a goroutine per connection, as echo.c with threads.
//
//	GOMAXPROCS=1 echo_go PORT
package main

import (
	"log"
	"net"
	"os"
)

func serve(c net.Conn) {
	defer c.Close()
	buf := make([]byte, 4096)
	for {
		n, err := c.Read(buf)
		if err != nil {
			return
		}
		if _, err = c.Write(buf[:n]); err != nil {
			return
		}
	}
}

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: echo_go PORT")
	}
	listener, err := net.Listen("tcp", "127.0.0.1:"+os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	for {
		c, err := listener.Accept() // net sets TCP_NODELAY by itself
		if err != nil {
			log.Print(err)
			continue
		}
		go serve(c)
	}
}
