// SPDX-License-Identifier: MIT

// What micro.c measures, in Go with Go's own means: goroutines, sync.Mutex, sync.Cond,
// sync.WaitGroup, runtime.Gosched. Run it with GOMAXPROCS=1 on one CPU.
//
//	micro_go [-t MS] spawn|batch|switch|mutex|yield|parked:N...
package main

import (
	"bufio"
	"flag"
	"fmt"
	"log"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

const batchSize = 1000

// cpu is the CPU time of the process, all its threads.
func cpu() time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		log.Fatal(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// status is the number after "key:" in /proc/self/status, in KiB for sizes.
func status(key string) int64 {
	f, err := os.Open("/proc/self/status")
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if fields := strings.Fields(s.Text()); fields[0] == key+":" {
			n, _ := strconv.ParseInt(fields[1], 10, 64)
			return n
		}
	}
	return -1
}

func report(name string, value float64, unit string) {
	fmt.Printf("%s\t%.3f\t%s\n", name, value, unit)
}

// spawn joins by a channel, the usual way to wait for one goroutine.
func spawn(n int) {
	done := make(chan struct{})
	for i := 0; i < n; i++ {
		go func() { done <- struct{}{} }()
		<-done
	}
}

func batch(n int) {
	for i := 0; i < n; i++ {
		var wg sync.WaitGroup
		wg.Add(batchSize)
		for k := 0; k < batchSize; k++ {
			go wg.Done()
		}
		wg.Wait()
	}
}

func takeTurns(n int) {
	var mutex sync.Mutex
	var wg sync.WaitGroup
	myTurn := [2]*sync.Cond{sync.NewCond(&mutex), sync.NewCond(&mutex)}
	turn := 0
	player := func(me int) {
		mutex.Lock()
		for i := 0; i < n/2; i++ {
			for turn != me {
				myTurn[me].Wait()
			}
			turn = 1 - me
			myTurn[1-me].Signal()
		}
		mutex.Unlock()
		wg.Done()
	}
	wg.Add(2)
	go player(0)
	go player(1)
	wg.Wait()
}

func lockUnlock(n int) {
	var mutex sync.Mutex
	for i := 0; i < n; i++ {
		mutex.Lock()
		mutex.Unlock()
	}
}

func yield(n int) {
	var wg sync.WaitGroup
	yielder := func() {
		for i := 0; i < n/2; i++ {
			runtime.Gosched()
		}
		wg.Done()
	}
	wg.Add(2)
	go yielder()
	go yielder()
	wg.Wait()
}

// measure lets op do n operations, with n growing until they take min CPU time.
func measure(name string, op func(n int), per, n int, min time.Duration) {
	for {
		wall, used := time.Now(), cpu()
		op(n)
		used = cpu() - used
		elapsed := time.Since(wall)
		if used >= min {
			report(name, float64(used)/float64(n*per), "ns")
			report(name+".wall", float64(elapsed)/float64(n*per), "ns")
			return
		}
		want := n * 10
		if used > 0 {
			want = int(float64(n) * float64(min) / float64(used) * 1.2)
		}
		if want > n*10 {
			want = n * 10
		} else if want < n*2 {
			want = n * 2
		}
		n = want
	}
}

func parked(n int) {
	var mutex sync.Mutex
	var done sync.WaitGroup
	released, allParked := sync.NewCond(&mutex), sync.NewCond(&mutex)
	nparked, goOn := 0, false
	runtime.GC()
	rss, pte, used := status("VmRSS"), status("VmPTE"), cpu()
	done.Add(n)
	for i := 0; i < n; i++ {
		go func() {
			mutex.Lock()
			if nparked++; nparked == n {
				allParked.Signal()
			}
			for !goOn {
				released.Wait()
			}
			mutex.Unlock()
			done.Done()
		}()
	}
	mutex.Lock()
	for nparked < n {
		allParked.Wait()
	}
	mutex.Unlock()
	used = cpu() - used
	name := "parked:" + strconv.Itoa(n)
	report(name+".created", float64(n), "threads")
	report(name+".rss", float64(status("VmRSS")-rss)/float64(n), "KiB")
	report(name+".pte", float64(status("VmPTE")-pte)/float64(n), "KiB")
	report(name+".spawn", float64(used)/float64(n), "ns")

	used = cpu()
	mutex.Lock()
	goOn = true
	released.Broadcast()
	mutex.Unlock()
	done.Wait()
	report(name+".wakejoin", float64(cpu()-used)/float64(n), "ns")
}

func main() {
	ms := flag.Int("t", 250, "CPU time to spend on a measurement, in ms")
	flag.Parse()
	min := time.Duration(*ms) * time.Millisecond
	for _, what := range flag.Args() {
		switch {
		case what == "spawn":
			measure("spawn", spawn, 1, 1000, min)
		case what == "batch":
			measure("batch", batch, batchSize, 1, min)
		case what == "switch":
			measure("switch", takeTurns, 1, 2000, min)
		case what == "mutex":
			measure("mutex", lockUnlock, 1, 100000, min)
		case what == "yield":
			measure("yield", yield, 1, 2000, min)
		case strings.HasPrefix(what, "parked:"):
			n, err := strconv.Atoi(what[len("parked:"):])
			if err != nil || n < 1 {
				log.Fatalf("bad number of goroutines in %q", what)
			}
			parked(n)
		default:
			log.Fatalf("unknown benchmark %q", what)
		}
	}
}
