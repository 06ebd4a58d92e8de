//go:build linux

// Package proc reads what a process and the kernel use, from /proc (proc(5)), and
// says on which processors a process runs.
package proc

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// CPU is processor time that a process has used.
type CPU struct {
	// Total is exact; User and System are counted by the kernel's ticks of 10 ms.
	Total, User, System time.Duration
}

// Sub is what was used since an earlier moment.
func (c CPU) Sub(before CPU) CPU {
	return CPU{c.Total - before.Total, c.User - before.User, c.System - before.System}
}

// Add is the sum for two processes.
func (c CPU) Add(other CPU) CPU {
	return CPU{c.Total + other.Total, c.User + other.User, c.System + other.System}
}

// schedClock is CPUCLOCK_SCHED of the kernel's posix-timers.h: together with a
// process's id it names the clock of that process's processor time, as
// clock_getcpuclockid(3) does.
const schedClock = 2

// CPUOf is the processor time of a process with all its threads, also those that
// have ended.
func CPUOf(pid int) (CPU, error) {
	var ts unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|schedClock), &ts); err != nil { //nolint:gosec // the kernel's encoding of a process's clock
		return CPU{}, fmt.Errorf("the processor time of process %d: %w", pid, err)
	}
	c := CPU{Total: time.Duration(ts.Nano())}
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return c, err
	}
	// Fields 14 and 15, counted after the name, which may hold spaces.
	_, rest, _ := strings.Cut(string(b), ") ")
	f := strings.Fields(rest)
	if len(f) < 13 {
		return c, errors.New("/proc/PID/stat is too short")
	}
	user, _ := strconv.ParseInt(f[11], 10, 64)
	system, _ := strconv.ParseInt(f[12], 10, 64)
	c.User, c.System = time.Duration(user)*10*time.Millisecond, time.Duration(system)*10*time.Millisecond
	return c, nil
}

// Memory is what a process holds, in bytes.
type Memory struct {
	Resident  int64 `json:"rss_bytes"`
	Anonymous int64 `json:"rss_anonymous_bytes"`
	// Share counts pages that several processes share in parts (PSS).
	Share int64 `json:"pss_bytes"`
	// Peak is the greatest Resident so far.
	Peak int64 `json:"rss_peak_bytes"`
}

// MemoryOf reads a process's memory.
func MemoryOf(pid int) Memory {
	dir := "/proc/" + strconv.Itoa(pid)
	status, rollup := table(dir+"/status"), table(dir+"/smaps_rollup")
	return Memory{Resident: status["VmRSS"], Anonymous: status["RssAnon"], Share: rollup["Pss"], Peak: status["VmHWM"]}
}

// ResetPeak makes Memory.Peak begin anew.
func ResetPeak(pid int) { _ = os.WriteFile("/proc/"+strconv.Itoa(pid)+"/clear_refs", []byte("5"), 0) }

// table reads lines such as "VmRSS: 123 kB", in bytes.
func table(path string) map[string]int64 {
	out := map[string]int64{}
	b, err := os.ReadFile(path)
	if err != nil {
		return out
	}
	for line := range strings.Lines(string(b)) {
		name, value, ok := strings.Cut(line, ":")
		f := strings.Fields(value)
		if !ok || len(f) == 0 {
			continue
		}
		if n, err := strconv.ParseInt(f[0], 10, 64); err == nil {
			if len(f) > 1 && f[1] == "kB" {
				n <<= 10
			}
			out[name] = n
		}
	}
	return out
}

// Kernel is what the kernel of this machine holds, in bytes.
type Kernel struct {
	// Slab are its small objects: sockets, files, buffers' heads.
	Slab int64 `json:"slab_bytes"`
	// TCP are the pages of all TCP sockets' buffers.
	TCP int64 `json:"tcp_buffer_bytes"`
	// Sockets is how many TCP sockets are in use.
	Sockets int64 `json:"tcp_sockets"`
}

// KernelNow reads the kernel's memory.
func KernelNow() Kernel {
	k := Kernel{Slab: table("/proc/meminfo")["Slab"]}
	b, err := os.ReadFile("/proc/net/sockstat")
	if err != nil {
		return k
	}
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		if len(f) == 0 || f[0] != "TCP:" {
			continue
		}
		for i := 1; i+1 < len(f); i += 2 {
			n, _ := strconv.ParseInt(f[i+1], 10, 64)
			switch f[i] {
			case "inuse":
				k.Sockets = n
			case "mem":
				k.TCP = n * int64(os.Getpagesize())
			}
		}
	}
	return k
}

// RaiseOpenFiles raises the soft limit of open files to the hard one and gives it.
func RaiseOpenFiles() (int, error) {
	var l unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &l); err != nil {
		return 0, err
	}
	l.Cur = l.Max
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &l); err != nil {
		return 0, err
	}
	return int(min(l.Cur, 1<<30)), nil //nolint:gosec // bounded
}

// On runs fn on a thread that is bound to processors, which processes that fn
// starts inherit; no processors: to all of them.
func On(cpus []int, fn func() error) error {
	if len(cpus) == 0 {
		return fn()
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var before, set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		return err
	}
	for _, c := range cpus {
		set.Set(c)
	}
	if err := unix.SchedSetaffinity(0, &set); err != nil {
		return fmt.Errorf("processors %v: %w", cpus, err)
	}
	return errors.Join(fn(), unix.SchedSetaffinity(0, &before))
}

// Bind binds every thread of this process to processors. Threads that come later
// inherit it.
func Bind(cpus []int) error {
	if len(cpus) == 0 {
		return nil
	}
	var set unix.CPUSet
	for _, c := range cpus {
		set.Set(c)
	}
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return err
	}
	for _, t := range threads {
		tid, err := strconv.Atoi(t.Name())
		if err != nil {
			continue
		}
		if err := unix.SchedSetaffinity(tid, &set); err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("processors %v: %w", cpus, err)
		}
	}
	return nil
}

// Hurry lets the calling thread, which has to be locked, go before others of this
// machine, as far as it may.
func Hurry() { _ = unix.Setpriority(unix.PRIO_PROCESS, 0, -15) }
