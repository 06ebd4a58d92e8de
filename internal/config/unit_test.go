package config

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// unitFile reads deploy/muster.service.
func unitFile(t *testing.T) string {
	t.Helper()
	unit, err := os.ReadFile("../../deploy/muster.service")
	if err != nil {
		t.Fatal(err)
	}
	return string(unit)
}

// TestUnitFits holds that the systemd unit names settings that exist, and leaves
// a shutdown the time that the server takes for it.
func TestUnitFits(t *testing.T) {
	unit := unitFile(t)
	known := map[string]bool{}
	for _, k := range Keys() {
		known[k.Variable] = true
		known["--"+k.Flag] = true
	}
	known["--config"] = true
	names := regexp.MustCompile(`MUSTER_[A-Z_]+|--[a-z.]+`).FindAllString(strings.ReplaceAll(unit, "--now", ""), -1)
	if len(names) < 5 {
		t.Fatalf("only %q found", names)
	}
	for _, name := range names {
		if !known[name] {
			t.Errorf("%s is no setting", name)
		}
	}
	stop := regexp.MustCompile(`(?m)^TimeoutStopSec=(\d+)$`).FindStringSubmatch(unit)
	if stop == nil {
		t.Fatal("no TimeoutStopSec")
	}
	d, err := ParseDuration(stop[1] + "s")
	if err != nil || d <= Default().Server.ShutdownTimeout {
		t.Errorf("systemd kills after %v, %v; the server takes up to %v", d, err, Default().Server.ShutdownTimeout)
	}
}

// TestUnitVerifies lets systemd read the unit, as it is and with what is
// commented out in it.
func TestUnitVerifies(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("systemd is not installed")
	}
	binary, err := os.Executable() // verify looks whether the program is there
	if err != nil {
		t.Fatal(err)
	}
	unit := strings.ReplaceAll(unitFile(t), "/usr/local/bin/muster", binary)
	commented := regexp.MustCompile(`(?m)^#([A-Z][A-Za-z]+=)`)
	for name, text := range map[string]string{"as it is": unit, "uncommented": commented.ReplaceAllString(unit, "$1")} {
		path := filepath.Join(t.TempDir(), "muster.service")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.CommandContext(t.Context(), analyze, "verify", path).CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}
