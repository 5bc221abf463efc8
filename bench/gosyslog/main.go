// Command gosyslog is a receiver made of mcuadros/go-syslog, as its documentation
// shows it, that writes what comes over TCP into a file. It is only measured beside
// Syslane.
package main

import (
	"bufio"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"gopkg.in/mcuadros/go-syslog.v2"
)

func main() {
	listen := flag.String("listen", "", "address")
	file := flag.String("file", "", "file to write")
	flag.Parse()
	if err := run(*listen, *file); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// Messages wait in the channel; pieces of a file are as large as rsyslog's.
const (
	waiting = 10_000
	piece   = 256 << 10
)

func run(listen, file string) error {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	out := bufio.NewWriterSize(f, piece)
	messages := make(syslog.LogPartsChannel, waiting)
	server := syslog.NewServer()
	server.SetFormat(syslog.RFC5424)
	server.SetHandler(syslog.NewChannelHandler(messages))
	if err := server.ListenTCP(listen); err != nil {
		return err
	}
	if err := server.Boot(); err != nil {
		return err
	}
	hup, end := make(chan os.Signal, 1), make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	signal.Notify(end, syscall.SIGTERM)
	for {
		select {
		case m := <-messages:
			at, _ := m["timestamp"].(time.Time)
			fmt.Fprintf(out, "%s %s %s %s\n", at.Format(time.RFC3339Nano), m["hostname"], m["app_name"], m["message"])
		case <-hup:
			out.Flush()
		case <-end:
			return out.Flush()
		}
	}
}
