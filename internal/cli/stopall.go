package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"velador/api"
	"velador/client"
)

// stopAll stops every collector, once somebody has agreed.
func (p *program) stopAll(ctx context.Context, remote *remoteFlags, agreed, asJSON bool) error {
	c, err := remote.client(p)
	if err != nil {
		return err
	}
	if !agreed {
		if err := p.confirm(ctx, "Stop every collector of "+remote.server+"?"); err != nil {
			return err
		}
	}
	answer, err := c.StopAll(ctx)
	var failure *client.Error
	if err != nil && (!errors.As(err, &failure) || failure.Code != api.CodeStopAllFailed) {
		return remote.remote(err)
	}
	// Some may not have been stopped; the others are said all the same.
	if asJSON {
		return errors.Join(p.printJSON(answer), err)
	}
	return errors.Join(p.printStopped(answer), err)
}

// printStopped prints a line for each collector.
func (p *program) printStopped(answer api.StopAllAnswer) error {
	var lines strings.Builder
	for _, one := range answer.Stopped {
		if one.PID == 0 {
			fmt.Fprintf(&lines, "Collector %d is stopped; it had no process.\n", one.ID)
		} else {
			fmt.Fprintf(&lines, "Collector %d is stopped (PID %d).\n", one.ID, one.PID)
		}
	}
	for _, one := range answer.Failed {
		fmt.Fprintf(&lines, "Collector %d is not stopped: %s\n", one.ID, oneLine(one.Error))
	}
	if lines.Len() == 0 {
		lines.WriteString("There was no collector to stop.\n")
	}
	_, err := io.WriteString(p.stdout, lines.String())
	return err
}

// confirm asks a question on the terminal and gives an error unless it is answered with yes.
func (p *program) confirm(ctx context.Context, question string) error {
	nobody := usagef("%s There is no terminal to answer on: give --yes.", question)
	if !isTerminal(p.stdin) {
		return nobody
	}
	if _, err := fmt.Fprint(p.stderr, question, " [y/N] "); err != nil {
		return err
	}
	heard := make(chan string, 1)
	go func() { // a read from a terminal cannot be called off: on a signal the program ends over it
		line, _ := bufio.NewReader(p.stdin).ReadString('\n')
		heard <- line
	}()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case line := <-heard:
		switch word := strings.ToLower(strings.TrimSpace(line)); {
		case line == "": // Ctrl-D, or the terminal is gone
			return nobody
		case slices.Contains([]string{"y", "yes", "s", "si", "sí"}, word):
			return nil
		}
		return errors.New("nothing was stopped")
	}
}
