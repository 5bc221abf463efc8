package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/syslane/syslane/collector"
	"github.com/syslane/syslane/internal/config"
	"github.com/syslane/syslane/internal/doctor"
	"github.com/syslane/syslane/internal/node"
	"github.com/syslane/syslane/internal/vfs"
	"github.com/syslane/syslane/relay"
)

func newDoctorCommand() *cobra.Command {
	var d doctorOptions
	cmd := &cobra.Command{
		Use:   "doctor [--config FILE] [--server URL] [--output FILE | --text]",
		Short: "Say what looks wrong, and gather what a report of a fault needs",
		Long: `Look at a relay or collector and say in plain words what looks wrong and what to do.

What it has looked at goes to an archive to be sent with a report: versions, the
configuration, status and metrics of the running process, its last log lines, the state
of its log and of every output, counters and limits of the kernel, disk, open files, and
with --pprof what its goroutines do. No secret is in it: of the configuration only
values are shown that cannot be one, and what was hidden is taken out of all the rest.
Have a look yourself before you send it: --text prints it instead.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return d.run(cmd.Context(), cmd.OutOrStdout())
		},
	}
	f := cmd.Flags()
	f.StringVarP(&d.config, "config", "c", "", "configuration file of the relay or collector (default: that in /etc/syslane of the role that runs)")
	f.StringVar(&d.state, "state", "", "its state folder (default: state in the file, or those in the user's state folder and in /var/lib/syslane)")
	f.StringVar(&d.output, "output", "", "archive to write (default: syslane-doctor-TIME.tar.gz)")
	f.BoolVar(&d.text, "text", false, "print everything instead of writing an archive")
	f.StringVar(&d.pprof, "pprof", "", "address that the process was given with --pprof")
	f.StringVar(&d.program, "program", "syslane", "name of the program whose processes are looked at")
	d.source.serverFlags(f)
	return cmd
}

type doctorOptions struct {
	source                                source
	config, state, output, pprof, program string
	text                                  bool
}

// ownLines is how many lines of its own log are taken.
const ownLines = 500

func (d *doctorOptions) run(ctx context.Context, out io.Writer) error {
	facts := &doctor.Facts{Version: version(), Now: time.Now(), ReceiveMax: kernelNumber("/proc/sys/net/core/rmem_max")}
	paths, plan, err := d.plan()
	facts.Config = err
	configuration, secrets := doctor.Configuration(paths)
	secrets = append(secrets, os.Getenv("SYSLANE_TOKEN"), d.token())
	report, err := doctor.NewReport(secrets)
	if err != nil {
		return err
	}
	if plan != nil && d.source.server == "" && os.Getenv("SYSLANE_SERVER") == "" && plan.Config.HTTP.Listen != "" {
		d.source.server = httpAddress(plan)
	}
	status, metrics := d.ask(ctx, facts)
	facts.Processes = doctor.Processes(d.program)
	facts.Others = others(facts.Status)
	folders, unseen := d.folders(plan)
	if len(folders) > 0 {
		facts.DiskFree, _ = vfs.OS.DiskFree(folders[0])
	}
	if plan != nil {
		facts.MaxSize = uint64(plan.Config.Log.MaxSize)
	}
	findings := report.Clean(doctor.Text(doctor.Judge(facts)))

	report.Add("findings.txt", findings)
	report.Add("versions.txt", doctor.Versions(version()))
	report.Add("configuration.toml", configuration)
	report.Add("status.json", status)
	report.Add("metrics.txt", metrics)
	report.Add("log.txt", ownLog(ctx))
	report.Add("spool.txt", spoolTexts(folders, unseen))
	report.Add("disk.txt", output(ctx, "df", "-hT")+output(ctx, "df", "-i"))
	report.Add("kernel.txt", doctor.Kernel())
	var processes strings.Builder
	for _, p := range facts.Processes {
		processes.WriteString(p.Text)
	}
	report.Add("processes.txt", processes.String())
	if d.pprof != "" {
		goroutines, err := fetch(ctx, http.DefaultClient, "http://"+d.pprof+"/debug/pprof/goroutine?debug=1", "")
		if err != nil {
			goroutines = err.Error()
		}
		report.Add("goroutines.txt", goroutines)
	}
	if d.text {
		return report.Text(out)
	}
	return d.write(out, report, findings)
}

func (d *doctorOptions) write(out io.Writer, report *doctor.Report, findings string) error {
	now := time.Now()
	folder := "syslane-doctor-" + now.UTC().Format("20060102-150405")
	if d.output == "" {
		d.output = folder + ".tar.gz"
	}
	f, err := os.OpenFile(d.output, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s exists; name another with --output", d.output)
	}
	if err != nil {
		return err
	}
	if err := errors.Join(report.Archive(f, folder, now), f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", d.output, err)
	}
	fmt.Fprintf(out, "%s\nwrote %s; look at it before you send it\n", findings, d.output)
	return nil
}

// plan reads the configuration, as the node does.
func (d *doctorOptions) plan() (paths []string, plan *node.Plan, err error) {
	file := d.config
	if file == "" {
		file = usualConfig()
	}
	if file == "" {
		return nil, nil, nil
	}
	f, err := config.Load(file)
	if err != nil {
		return []string{file}, nil, err
	}
	f.LeaveCredentials()
	plan, err = node.Load(f, node.Options{Version: version(), NewLogger: func(node.LoggingConfig) zerolog.Logger { return zerolog.Nop() }})
	if err == nil {
		err = checkRole(plan, "", file)
	}
	return f.Paths(), plan, err
}

// usualConfig is the packages' configuration of the role that runs. They bring both, so
// where neither runs it is the first that is there; "" is none.
func usualConfig() (first string) {
	for _, role := range []string{collector.Name, relay.Name} {
		file := filepath.Join("/etc/syslane", role+".toml")
		if _, err := os.Stat(file); err != nil {
			continue
		}
		if _, err := node.FindRunning(packagedState(role)); err == nil {
			return file
		}
		if first == "" {
			first = file
		}
	}
	return first
}

// others are the roles that run here as the packages start them, besides the one that
// was asked.
func others(asked *node.Status) (roles []string) {
	for _, role := range []string{collector.Name, relay.Name} {
		if _, err := node.FindRunning(packagedState(role)); err == nil && asked != nil && asked.Role != role {
			roles = append(roles, role)
		}
	}
	return roles
}

// httpAddress is where the HTTP of a configuration answers this machine.
func httpAddress(plan *node.Plan) string {
	scheme, listen := "http://", plan.Config.HTTP.Listen
	if plan.Config.HTTP.TLS != nil {
		scheme = "https://"
	}
	if host, port, err := net.SplitHostPort(listen); err == nil {
		if ip, err := netip.ParseAddr(host); host == "" || err == nil && ip.IsUnspecified() {
			listen = net.JoinHostPort("127.0.0.1", port)
		}
	}
	return scheme + listen
}

func (d *doctorOptions) token() string {
	if d.source.tokenFile == "" {
		return ""
	}
	text, _ := os.ReadFile(d.source.tokenFile)
	return strings.TrimSpace(string(text))
}

// ask gets status and metrics of the running process.
func (d *doctorOptions) ask(ctx context.Context, facts *doctor.Facts) (status, metrics string) {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	remote, err := d.source.remote()
	if err != nil {
		facts.Unreachable = err
		return err.Error(), ""
	}
	body, err := remote.Status(ctx)
	if err != nil {
		facts.Unreachable = err
		return err.Error(), ""
	}
	var s node.Status
	if err := json.Unmarshal(body, &s); err != nil {
		facts.Unreachable = fmt.Errorf("its status is none: %w", err)
		return string(body), ""
	}
	facts.Status = &s
	client := remote.Client
	if client == nil {
		client = http.DefaultClient
	}
	metrics, err = fetch(ctx, client, strings.TrimSuffix(remote.Server, "/")+"/metrics", remote.Token.Value())
	if err != nil {
		facts.Unmeasured = err
		return string(body), err.Error()
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	facts.Metrics, facts.Unmeasured = parser.TextToMetricFamilies(strings.NewReader(metrics))
	return string(body), metrics
}

// fetch returns what a URL answers.
func fetch(ctx context.Context, client *http.Client, url, token string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := client.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, 16<<20))
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %.200s", url, response.Status, strings.TrimSpace(string(text)))
	}
	return string(text), err
}

// folders are the logs to be looked at. An error beside them tells of others.
func (d *doctorOptions) folders(plan *node.Plan) ([]string, error) {
	dir := d.state
	if dir == "" && plan != nil {
		dir = plan.Config.State
	}
	return logFolders(dir)
}

func spoolTexts(folders []string, unseen error) string {
	var b bytes.Buffer
	for _, folder := range folders {
		if err := showStatus(&b, folder, false); err != nil {
			fmt.Fprintln(&b, err)
		}
		var size int64
		files := 0
		filepath.WalkDir(filepath.Dir(folder), func(_ string, e fs.DirEntry, err error) error {
			if err != nil {
				return nil
			}
			if info, err := e.Info(); err == nil && info.Mode().IsRegular() {
				size += info.Size()
				files++
			}
			return nil
		})
		fmt.Fprintf(&b, "%d files, %d octets beneath %s\n", files, size, filepath.Dir(folder))
	}
	if errors.Is(unseen, fs.ErrPermission) {
		fmt.Fprintln(&b, unseen)
	} else if len(folders) == 0 {
		b.WriteString("no log was found: name its folder with --state\n")
	}
	return b.String()
}

// ownLog returns what Syslane has said of itself lately.
func ownLog(ctx context.Context) string {
	return output(ctx, "journalctl", "--no-pager", "-n", strconv.Itoa(ownLines), "-o", "short-iso", "-u", "syslane-relay", "-u", "syslane-collector")
}

// output returns what a program prints, or why it does not.
func output(ctx context.Context, name string, args ...string) string {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	if err != nil {
		return fmt.Sprintf("%s%s: %v\n", out, name, err)
	}
	return string(out)
}

func kernelNumber(file string) uint64 {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0
	}
	n, _ := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64)
	return n
}
