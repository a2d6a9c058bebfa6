// SPDX-License-Identifier: MIT

// What handoff.c, hog.c and sleep.c measure, in Go. Run it with GOMAXPROCS=1 on one CPU.
//
//	latency_go handoff fifo|flock ROUNDS GAP_US
//	latency_go hog compute HOGS SAMPLES
//	latency_go sleep MICROSECONDS GOROUTINES SLEEPS
package main

import (
	"fmt"
	"log"
	"os"
	"sort"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func number(text string) int {
	n, err := strconv.Atoi(text)
	must(err)
	return n
}

func cpu() time.Duration {
	var r syscall.Rusage
	must(syscall.Getrusage(syscall.RUSAGE_SELF, &r))
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

func report(name string, value float64, unit string) {
	fmt.Printf("%s\t%.3f\t%s\n", name, value, unit)
}

func reportLatencies(name string, v []time.Duration) {
	sort.Slice(v, func(i, j int) bool { return v[i] < v[j] })
	us := func(i int) float64 { return float64(v[i]) / 1e3 }
	last := len(v) - 1
	report(name+".p50", us(last*50/100), "us")
	report(name+".p90", us(last*90/100), "us")
	report(name+".p99", us(last*99/100), "us")
	report(name+".max", us(last), "us")
}

// A call blocks one goroutine in the kernel until release; prepare comes before each round.
type call struct{ prepare, block, release func() }

func open(path string, flags int) int {
	fd, err := syscall.Open(path, flags|syscall.O_CLOEXEC, 0600)
	must(err)
	return fd
}

func fifo(path string) call {
	must(syscall.Mkfifo(path, 0600))
	return call{
		prepare: func() {},
		block:   func() { must(syscall.Close(open(path, syscall.O_RDONLY))) },
		release: func() { must(syscall.Close(open(path, syscall.O_WRONLY))) },
	}
}

func flock(path string) call {
	holder := open(path, syscall.O_RDWR|syscall.O_CREAT)
	waiter := open(path, syscall.O_RDWR)
	return call{
		prepare: func() { must(syscall.Flock(holder, syscall.LOCK_EX)) },
		block: func() {
			must(syscall.Flock(waiter, syscall.LOCK_EX))
			must(syscall.Flock(waiter, syscall.LOCK_UN))
		},
		release: func() { must(syscall.Flock(holder, syscall.LOCK_UN)) },
	}
}

func handoff(what string, rounds int, gap time.Duration) {
	dir, err := os.MkdirTemp("", "handoff")
	must(err)
	defer os.RemoveAll(dir)
	var c call
	switch what {
	case "fifo":
		c = fifo(dir + "/f")
	case "flock":
		c = flock(dir + "/f")
	default:
		log.Fatalf("unknown call %q", what)
	}
	prepared, start, through := make(chan bool, 1), make(chan bool, 1), make(chan bool, 1)
	base := time.Now()
	var blockedAt int64
	var latency []time.Duration
	preempted := 0
	go func() {
		for {
			c.prepare()
			prepared <- true
			<-start
			if since := atomic.LoadInt64(&blockedAt); since == 0 {
				preempted++
			} else {
				latency = append(latency, time.Since(base)-time.Duration(since))
			}
			c.release()
			<-through
		}
	}()
	for i := 0; i < rounds; i++ {
		<-prepared
		if gap > 0 {
			time.Sleep(gap)
		}
		atomic.StoreInt64(&blockedAt, 0)
		start <- true
		atomic.StoreInt64(&blockedAt, int64(time.Since(base)))
		c.block()
		through <- true
	}
	<-prepared
	name := fmt.Sprintf("handoff:%s:%d", what, gap.Microseconds())
	if len(latency) > 0 {
		reportLatencies(name, latency)
	}
	report(name+".preempted", float64(preempted), "rounds")
}

var sink uint64

func hog(hogs, samples int) {
	var stop int32
	var wg sync.WaitGroup
	wg.Add(hogs)
	for i := 0; i < hogs; i++ {
		go func() {
			x := uint64(1)
			for atomic.LoadInt32(&stop) == 0 {
				for k := 0; k < 100000; k++ {
					x = x*6364136223846793005 + 1442695040888963407
				}
			}
			atomic.AddUint64(&sink, x)
			wg.Done()
		}()
	}
	late := make([]time.Duration, samples)
	for i := range late {
		start := time.Now()
		time.Sleep(time.Millisecond)
		late[i] = time.Since(start) - time.Millisecond
	}
	atomic.StoreInt32(&stop, 1)
	wg.Wait()
	reportLatencies(fmt.Sprintf("hog:compute:%d", hogs), late)
}

func sleep(us, goroutines, sleeps int) {
	d := time.Duration(us) * time.Microsecond
	overshoot := make([]time.Duration, goroutines*sleeps)
	var wg sync.WaitGroup
	wg.Add(goroutines)
	used := cpu()
	for i := 0; i < goroutines; i++ {
		go func(mine []time.Duration) {
			for k := range mine {
				start := time.Now()
				time.Sleep(d)
				mine[k] = time.Since(start) - d
			}
			wg.Done()
		}(overshoot[i*sleeps : (i+1)*sleeps])
	}
	wg.Wait()
	used = cpu() - used
	name := fmt.Sprintf("sleep:%d:%d", us, goroutines)
	reportLatencies(name, overshoot)
	report(name+".cpu", float64(used)/1e3/float64(len(overshoot)), "us")
}

func main() {
	if len(os.Args) != 5 {
		log.Fatal("usage: latency_go handoff|hog|sleep and what handoff, hog, sleep take")
	}
	a := os.Args[2:]
	switch os.Args[1] {
	case "handoff":
		handoff(a[0], number(a[1]), time.Duration(number(a[2]))*time.Microsecond)
	case "hog":
		hog(number(a[1]), number(a[2]))
	case "sleep":
		sleep(number(a[0]), number(a[1]), number(a[2]))
	default:
		log.Fatalf("unknown benchmark %q", os.Args[1])
	}
}
