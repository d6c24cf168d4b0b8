package client_test

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"time"

	"velador/api"
	"velador/client"
	"velador/internal/candle"
	"velador/internal/server"
	"velador/internal/server/servertest"
)

// exampleServer stands for a running velador.
func exampleServer() *httptest.Server {
	clock := func() time.Time { return noon }
	return httptest.NewServer(server.New(server.Config{
		Fleet: servertest.NewFleet(clock, "ETHUSDT"), Candles: servertest.Minutes("ETHUSDT", candle.MillisOf(noon), 3),
		Logs: servertest.NewLogs(), Clock: clock,
	}).Handler())
}

func Example() {
	velador := exampleServer() // elsewhere: http://localhost:3000
	defer velador.Close()
	c, err := client.New(velador.URL, client.WithLanguage("en"), client.WithHTTPClient(velador.Client()))
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	started, err := c.Start(ctx, api.StartRequest{Symbol: "ETHUSDT", Timeframe: "1m", Since: "24h"})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(started.Message)
	stopped, err := c.Stop(ctx, api.StopRequest{PID: started.PID})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(stopped.Message)
	// Output:
	// Collector started for ETHUSDT on timeframe 1m
	// Collector stopped successfully
}

func ExampleError() {
	velador := exampleServer()
	defer velador.Close()
	c, err := client.New(velador.URL, client.WithHTTPClient(velador.Client()))
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = c.Stop(context.Background(), api.StopRequest{PID: 4711})
	var failure *client.Error
	if errors.As(err, &failure) && failure.Code == api.CodeCollectorNotFound {
		fmt.Println(failure.Status, failure.PID, failure)
	}
	// Output: 404 4711 Collector no encontrado o ya detenido
}

func ExampleClient_Candles() {
	velador := exampleServer()
	defer velador.Close()
	c, err := client.New(velador.URL, client.WithHTTPClient(velador.Client()))
	if err != nil {
		fmt.Println(err)
		return
	}
	answer, err := c.Candles(context.Background(), client.CandlesQuery{
		Series: client.Series{Symbol: "ETHUSDT", Timeframe: "1m"}, Limit: 2, Descending: true,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, one := range answer.Candles {
		fmt.Println(one.OpenTime, one.Close)
	}
	// Output:
	// 1762257720000 100.00000002
	// 1762257660000 100.00000001
}
