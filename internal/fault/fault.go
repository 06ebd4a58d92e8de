// Package fault breaks Muster on purpose: its tests kill processes, cut
// connections, drop wake-ups and turn clocks, and hold what comes out against
// the promises. The package itself is what the suites that do this share - the
// ones here and those beside the domain packages: processes to kill (Child),
// seeds that are kept when they fail (Seed), and a look into the database past
// the program (Census).
//
// It is for tests only; no package of the product may import it. With
// MUSTER_SOAK set the suites run in their long form.
package fault

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// EnvSoak is the environment variable that, when it is not empty, asks for the
// long form of the suites.
const EnvSoak = "MUSTER_SOAK"

// EnvSeed is the environment variable that names the seed of a run that is to be
// repeated.
const EnvSeed = "MUSTER_FAULT_SEED"

// Soak says whether the long form is asked for.
func Soak() bool { return os.Getenv(EnvSoak) != "" }

// Long is the size of something that the long form does more of.
func Long(short, long int) int {
	if Soak() {
		return long
	}
	return short
}

// Seed gives a source of randomness for a test: from EnvSeed, else from the seed
// of this test's last failure, else a fresh one. A seed that fails is kept in
// testdata/seeds until a run with it passes.
func Seed(t testing.TB) *rand.Rand {
	t.Helper()
	kept := filepath.Join("testdata", "seeds", strings.ReplaceAll(t.Name(), "/", "_"))
	seed := rand.Uint64()
	for _, text := range []string{os.Getenv(EnvSeed), read(kept)} {
		if n, err := strconv.ParseUint(strings.TrimSpace(text), 10, 64); err == nil {
			seed = n
			break
		}
	}
	t.Cleanup(func() {
		if !t.Failed() {
			_ = os.Remove(kept) // there is one only after a failure
			return
		}
		t.Logf("again with %s=%d", EnvSeed, seed)
		if err := os.MkdirAll(filepath.Dir(kept), 0o750); err != nil {
			t.Log(err)
		}
		if err := os.WriteFile(kept, []byte(strconv.FormatUint(seed, 10)+"\n"), 0o600); err != nil {
			t.Log(err)
		}
	})
	return rand.New(rand.NewPCG(seed, 0))
}

func read(file string) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	return string(text)
}
