// A broker held to AWS IoT Core's limits, for tests: iot PORT CA CERT KEY.
//
// TLS with a certificate from every client; receive maximum 100; 128 KiB a message; a session lasts an hour; QoS 1.
package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/hooks/auth"
	"github.com/mochi-mqtt/server/v2/listeners"
)

const (
	inFlight   = 100
	packet     = 128 * 1024
	sessionS   = 3600
	atLeast    = 1
)

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func main() {
	port, ca, cert, key := os.Args[1], os.Args[2], os.Args[3], os.Args[4]
	own, err := tls.LoadX509KeyPair(cert, key)
	must(err)
	pem, err := os.ReadFile(ca)
	must(err)
	clients := x509.NewCertPool()
	clients.AppendCertsFromPEM(pem)

	limits := mqtt.NewDefaultServerCapabilities()
	limits.ReceiveMaximum = inFlight
	limits.MaximumInflight = inFlight
	limits.MaximumPacketSize = packet
	limits.MaximumSessionExpiryInterval = sessionS
	limits.MaximumQos = atLeast

	server := mqtt.New(&mqtt.Options{
		Capabilities: limits,
		Logger:       slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
	must(server.AddHook(new(auth.AllowHook), nil))
	must(server.AddListener(listeners.NewTCP(listeners.Config{
		ID:      "iot",
		Address: "127.0.0.1:" + port,
		TLSConfig: &tls.Config{
			Certificates: []tls.Certificate{own},
			ClientAuth:   tls.RequireAndVerifyClientCert,
			ClientCAs:    clients,
			MinVersion:   tls.VersionTLS12,
		},
	})))
	must(server.Serve())
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGTERM, syscall.SIGINT)
	<-asked
	must(server.Close())
}
