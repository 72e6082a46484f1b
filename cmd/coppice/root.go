package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/hbohlen/coppice/runner/diagnostic"
	"github.com/hbohlen/coppice/runner/host"
	"github.com/hbohlen/coppice/runner/report"
)

// app is one invocation of the command.
type app struct {
	in       io.Reader
	out, err io.Writer
	json     bool
	verbose  bool
	noColor  bool
	configs  string // the configuration's folder
	warned   bool   // of what is wrong with the folders of plugins
}

// Main runs one command line and returns its exit code. It is the whole program.
func Main(args []string) int {
	a := &app{in: os.Stdin, out: os.Stdout, err: os.Stderr, configs: configDir()}
	if isKernelLog(os.Stdout) {
		a.out = newKernelLog()
	}
	if isKernelLog(os.Stderr) {
		a.err = newKernelLog()
	}
	return a.main(args)
}

func (a *app) main(args []string) int {
	ignoreBrokenPipe()
	root := a.root()
	root.SetArgs(args[1:])
	root.SetIn(a.in)
	root.SetOut(a.out)
	root.SetErr(a.err)
	command, err := root.ExecuteContextC(context.Background())
	if err == nil {
		return exitOK
	}
	to := a.complaints(syslogError)
	var code exitError
	if errors.Is(err, syscall.EPIPE) { // whoever read the result has read enough, as head does
		return exitFailed
	}
	if errors.As(err, &code) {
		if code.err != nil {
			fmt.Fprintf(to, "coppice: %s\n", text(code.err))
			if code.advice != "" {
				fmt.Fprintf(to, "  %s\n", diagnostic.Escape(code.advice))
			}
		}
		return code.code
	}
	var system *fs.PathError
	if errors.As(err, &system) { // standard output, mostly
		fmt.Fprintf(to, "coppice: %s\n", text(err))
		return exitFailed
	}
	// What is left is cobra's: a wrong flag, verb or number of arguments.
	fmt.Fprintf(to, "coppice: %s\n  see: %s --help\n", text(err), command.CommandPath())
	return exitUsage
}

// text is an error in one breath; several joined ones stand on lines of their own.
func text(err error) string {
	lines := strings.Split(strings.TrimSpace(err.Error()), "\n")
	for i := range lines {
		lines[i] = diagnostic.Escape(strings.ReplaceAll(lines[i], "\t", "  "))
	}
	return strings.Join(lines, "\n")
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "coppice",
		Short: "Execute storage playbooks: check, preview, run",
		Long: "Coppice executes storage playbooks. A playbook is a YAML file of steps; each step is an\n" +
			"action of a plugin. See what it would do to this machine with plan, then do it with run.",
		SilenceErrors:     true,
		SilenceUsage:      true,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
	}
	root.PersistentFlags().BoolVar(&a.json, "json", false, "print JSON: one document, or one event a line for run, apply and runs show")
	root.PersistentFlags().BoolVarP(&a.verbose, "verbose", "v", false, "leave nothing out: every kept snapshot, every log line")
	root.PersistentFlags().BoolVar(&a.noColor, "no-color", false, "no colours (NO_COLOR does the same)")
	root.AddCommand(a.runCommand(), a.planCommand(), a.applyCommand(), a.resumeCommand(), a.rehearseCommand(), a.enterCommand(), a.disksCommand(), a.simulateCommand(), a.validateCommand(), a.listCommand(), a.showCommand(),
		a.explainCommand(), a.pluginCommand(), a.versionCommand(), a.runsCommand(), a.receiveCommand(), a.snapshotsCommand(), a.bootCommand(), a.schemaCommand(), a.graphCommand(), a.newCommand(), a.fmtCommand(), a.completionCommand(),
		a.installCommand(), a.uninstallCommand(), a.failedCommand(), a.statusCommand(), a.doctorCommand(), a.reportCommand())
	a.complete(root)
	return root
}

// document prints a JSON document that says what it is: format and version
// first, then the value under its key.
func (a *app) document(format, key string, value any) error {
	data, err := report.Encode(value)
	if err != nil {
		return exit(exitBug, err)
	}
	if _, err := fmt.Fprintf(a.out, "{\"format\":%q,\"version\":1,%q:%s}\n", format, key, data); err != nil {
		return exit(exitFailed, err)
	}
	return nil
}

// configDir is where playbooks and inputs of this machine lie.
func configDir() string {
	if dir := os.Getenv("COPPICE_CONFIG_DIR"); dir != "" {
		return dir
	}
	return "/etc/coppice"
}

// host makes the host of the built-in plugins. Close it.
func (a *app) host(log func(plugin, level, message string)) *host.Host {
	return host.New(host.Options{Sources: a.sources(), Log: log, LockDir: lockDir()})
}

// sources are all plugins.
func (a *app) sources() []host.Source {
	var sources []host.Source
	for _, b := range builtins {
		// /proc/self/exe is this very image, also after the file was replaced.
		sources = append(sources, host.Source{Name: b.name, Path: "/proc/self/exe",
			Args: []string{"coppice", "plugin", "serve", b.name}, Describe: b.describe})
	}
	foreign, err := a.foreign()
	if err != nil && !a.warned {
		a.warned = true
		fmt.Fprintf(a.complaints(syslogWarning), "coppice: %s\n  no plugin but the built-in ones is used\n", text(err))
	}
	for _, s := range foreign {
		if !slices.ContainsFunc(sources, func(known host.Source) bool { return known.Name == s.Name }) {
			sources = append(sources, s)
		}
	}
	return sources
}

// lockDir is where the runs of this machine lock what they use.
func lockDir() string {
	if os.Geteuid() == 0 {
		return "/run/coppice/locks"
	}
	if dir := os.Getenv("XDG_RUNTIME_DIR"); dir != "" {
		return dir + "/coppice/locks"
	}
	return ""
}
