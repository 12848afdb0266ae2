// Command vigil is the whole of Vigil: the server, and every command that talks
// to it.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/vigil-iomt/vigil/app"
)

// commands is the command line, one field per command.
type commands struct {
	Serve      serveCmd      `cmd:"" help:"Run the server."`
	Demo       demoCmd       `cmd:"" help:"Run a simulated hospital in a throw-away data folder."`
	Config     configCmd     `cmd:"" help:"Print every setting with its origin."`
	Doctor     doctorCmd     `cmd:"" help:"Check disk, clock, ports, journal, store and versions."`
	Tail       tailCmd       `cmd:"" help:"Show readings and events as they arrive."`
	Patient    patientCmd    `cmd:"" help:"Register and list patients."`
	Device     deviceCmd     `cmd:"" help:"Register, assign and list devices."`
	Location   locationCmd   `cmd:"" help:"Register and list beds, homes, rooms and fridges."`
	Token      tokenCmd      `cmd:"" help:"Make and revoke bearer tokens."`
	Profile    profileCmd    `cmd:"" help:"Check, try and list device profiles."`
	FHIR       fhirCmd       `cmd:"" name:"fhir" help:"Add, list and remove FHIR packages."`
	Quarantine quarantineCmd `cmd:"" help:"List, show, replay and close messages that were not understood."`
	Import     importCmd     `cmd:"" help:"Load FHIR resources; play recordings and tables into the pipeline."`
	Export     exportCmd     `cmd:"" help:"Export FHIR resources, to files or to another server."`
	Simulate   simulateCmd   `cmd:"" help:"Send a simulated hospital to a server."`
	Bench      benchCmd      `cmd:"" help:"Measure a server under load; kill it and miss nothing."`
	Version    versionCmd    `cmd:"" help:"Print the version."`
}

// A console is what every command writes to and runs in.
type console struct {
	ctx  context.Context
	out  io.Writer
	err  io.Writer
	in   io.Reader
	data string
	json bool
}

// globals are the flags of every command.
type globals struct {
	Data string `help:"Data folder of the server." env:"VIGIL_DATA" default:"vigil-data" placeholder:"DIR"`
	JSON bool   `help:"Print JSON for scripts instead of a table for people."`
}

// root is the whole command line.
type root struct {
	globals
	commands
}

// Exit codes, the same for every command.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run executes one command line and returns its exit code.
func run(ctx context.Context, args []string, in io.Reader, out, errOut io.Writer) int {
	var r root
	exited := -1
	parser, err := kong.New(&r, kong.Name("vigil"), kong.Writers(out, errOut),
		kong.Exit(func(code int) { exited = code }),
		kong.Description("The platform for the Internet of Medical Things: from a device's first byte to the chart."),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, NoExpandSubcommands: true}))
	if err != nil {
		fmt.Fprintln(errOut, "vigil:", err)
		return exitFailed
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	k, err := parser.Parse(args)
	if exited >= 0 {
		return exited // help was asked for and printed
	}
	if err != nil {
		fmt.Fprintln(errOut, "vigil:", err)
		fmt.Fprintln(errOut, "`vigil --help` lists the commands, `vigil COMMAND --help` their flags.")
		return exitUsage
	}
	c := &console{ctx: ctx, out: out, err: errOut, in: in, data: r.Data, json: r.JSON}
	if err := k.Run(c); err != nil {
		var usage usageError
		fmt.Fprintln(errOut, "vigil:", err)
		if errors.As(err, &usage) {
			return exitUsage
		}
		return exitFailed
	}
	return exitDone
}

// A usageError is a command line that parses but makes no sense.
type usageError string

// Error returns the text.
func (e usageError) Error() string { return string(e) }

// versionCmd prints the version.
type versionCmd struct{}

// Run prints it.
func (versionCmd) Run(c *console) error {
	v := app.Version()
	return c.print(v, func(w *table) {
		w.row("vigil", v.Vigil)
		w.row("commit", v.Commit)
		w.row("go", v.Go)
	})
}
