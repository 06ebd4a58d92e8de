package engine

import (
	"runtime"
	"sync"
	"time"
)

// workers are goroutines that call the handlers of an engine's connections, one
// task after another in the order in which the tasks came. There are few of them,
// and each lets others run after every task: when twenty thousand connections end
// at once, or say hello, the event loop is not one of twenty thousand goroutines
// that want a processor. A task may wait, though; when nothing goes on for that
// reason, there are more of them for as long as it lasts.
type workers struct {
	mu    sync.Mutex
	tasks []task // from first on
	first int
	wake  sync.Cond
	// idle are those that wait for a task, count is all of them, most how many
	// there may be now.
	idle, count, most int
	taken             int // tasks that were begun since the watch looked
	watching, over    bool
	all               sync.WaitGroup
}

// task is what a worker does for a connection: work off its frames, or tell its
// handler of the end where there are none.
type task struct {
	c *lconn
	q *backlog // nil: the end
}

const (
	// keptTasks is the room for tasks that is kept when there are none.
	keptTasks = 1 << 10
	// watchEvery is how often it is looked whether work goes on.
	watchEvery = 5 * time.Millisecond
)

// fewWorkers is how many there are as long as work goes on.
func fewWorkers() int { return 2 + 2*runtime.GOMAXPROCS(0) }

func (w *workers) init() {
	w.wake.L = &w.mu
	w.most = fewWorkers()
}

// add has a task done.
func (w *workers) add(t task) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.first > keptTasks && w.first > len(w.tasks)/2 {
		n := copy(w.tasks, w.tasks[w.first:])
		clear(w.tasks[n:])
		w.tasks, w.first = w.tasks[:n], 0
	}
	w.tasks = append(w.tasks, t)
	w.staff()
	if !w.watching && w.idle == 0 {
		w.watching = true
		time.AfterFunc(watchEvery, w.watch)
	}
}

// staff wakes a worker or takes one on, unless there are enough. The lock is held.
func (w *workers) staff() {
	switch {
	case w.idle > 0:
		w.idle--
		w.wake.Signal()
	case w.count < w.most || w.over:
		w.count++
		w.all.Go(w.work)
	}
}

// watch takes on more workers when those there are have all begun to wait.
func (w *workers) watch() {
	w.mu.Lock()
	defer w.mu.Unlock()
	waiting := len(w.tasks) - w.first
	if waiting == 0 {
		w.watching = false
		return
	}
	if w.taken < w.count {
		w.most = 2 * w.count
		for range min(waiting, w.count) {
			w.staff()
		}
	}
	w.taken = 0
	time.AfterFunc(watchEvery, w.watch)
}

// work does tasks until there are none for it.
func (w *workers) work() {
	w.mu.Lock()
	for {
		for w.first == len(w.tasks) {
			if w.over || w.count > fewWorkers() {
				w.count--
				w.most = max(fewWorkers(), w.count)
				w.mu.Unlock()
				return
			}
			w.idle++
			w.wake.Wait()
		}
		t := w.tasks[w.first]
		w.tasks[w.first] = task{}
		if w.first++; w.first == len(w.tasks) {
			w.tasks, w.first = w.tasks[:0], 0
			if cap(w.tasks) > keptTasks {
				w.tasks = nil // a burst is over
			}
		}
		w.taken++
		w.mu.Unlock()
		if t.q == nil {
			t.c.tellEnd()
		} else {
			t.c.workOff(t.q)
		}
		runtime.Gosched()
		w.mu.Lock()
	}
}

// finish ends the workers when the tasks are done, and waits for them.
func (w *workers) finish() {
	w.mu.Lock()
	w.over = true
	w.idle = 0
	w.wake.Broadcast()
	w.mu.Unlock()
	w.all.Wait()
}
