// SPDX-License-Identifier: MIT
// Rust's std: threads, scoped threads, Mutex, Condvar, RwLock, Once, Barrier, channels, park, thread-locals, panics; all on raw futexes.
use std::cell::RefCell;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc;
use std::sync::{Arc, Barrier, Condvar, Mutex, Once, OnceLock, RwLock};
use std::thread;
use std::time::{Duration, Instant};

thread_local! {
    static LOG: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
}

fn counter() {
    let n = Arc::new(Mutex::new(0usize));
    let ts: Vec<_> = (0..16)
        .map(|_| {
            let n = n.clone();
            thread::spawn(move || {
                for k in 0..500 {
                    let mut g = n.lock().unwrap();
                    let was = *g;
                    if k % 50 == 0 {
                        thread::yield_now();
                    }
                    *g = was + 1;
                }
            })
        })
        .collect();
    for t in ts {
        t.join().unwrap();
    }
    assert_eq!(*n.lock().unwrap(), 16 * 500);
}

fn queue() {
    let q = (Mutex::new((VecDeque::new(), false)), Condvar::new());
    let sum = AtomicUsize::new(0);
    thread::scope(|s| {
        for i in 0..8 {
            let (q, sum) = (&q, &sum);
            s.spawn(move || loop {
                let mut g = q.0.lock().unwrap();
                while g.0.is_empty() && !g.1 {
                    g = if i % 2 == 0 {
                        q.1.wait(g).unwrap()
                    } else {
                        q.1.wait_timeout(g, Duration::from_micros(50)).unwrap().0
                    };
                }
                match g.0.pop_front() {
                    Some(v) => sum.fetch_add(v, SeqCst),
                    None => break,
                };
            });
        }
        for v in 0..5000usize {
            q.0.lock().unwrap().0.push_back(v);
            q.1.notify_one();
        }
        q.0.lock().unwrap().1 = true;
        q.1.notify_all();
    });
    assert_eq!(sum.load(SeqCst), 5000 * 4999 / 2);
}

fn channels() {
    let (tx, rx) = mpsc::sync_channel::<usize>(4);
    for i in 0..8 {
        let tx = tx.clone();
        thread::spawn(move || {
            for k in 0..300 {
                tx.send(i * 1000 + k).unwrap();
            }
        });
    }
    drop(tx);
    let (mut n, mut sum) = (0, 0);
    for v in rx {
        n += 1;
        sum += v;
    }
    assert_eq!(n, 2400);
    assert_eq!(sum, (0..8).map(|i| (0..300).map(|k| i * 1000 + k).sum::<usize>()).sum());
    let (_keep, rx) = mpsc::channel::<()>();
    let t0 = Instant::now();
    assert!(rx.recv_timeout(Duration::from_millis(10)).is_err());
    assert!(t0.elapsed() >= Duration::from_millis(10));
}

fn parks() {
    let flag = Arc::new(AtomicBool::new(false));
    let f = flag.clone();
    let t = thread::Builder::new()
        .name("parker".into())
        .stack_size(256 * 1024)
        .spawn(move || {
            assert_eq!(thread::current().name(), Some("parker"));
            while !f.load(SeqCst) {
                thread::park();
            }
            let t0 = Instant::now();
            thread::park_timeout(Duration::from_millis(5));
            t0.elapsed() < Duration::from_secs(20)
        })
        .unwrap();
    thread::sleep(Duration::from_millis(5));
    flag.store(true, SeqCst);
    t.thread().unpark();
    assert!(t.join().unwrap());
}

fn locks() {
    let rw = RwLock::new((0usize, 0usize));
    let (once, cell, calls) = (Once::new(), OnceLock::new(), AtomicUsize::new(0));
    let bar = Barrier::new(12);
    let leaders = AtomicUsize::new(0);
    thread::scope(|s| {
        for i in 0..12 {
            let (rw, once, cell, calls, bar, leaders) = (&rw, &once, &cell, &calls, &bar, &leaders);
            s.spawn(move || {
                LOG.with(|l| assert!(l.borrow().is_empty()));
                for k in 0..200 {
                    if (i + k) % 6 == 0 {
                        let mut g = rw.write().unwrap();
                        g.0 += 1;
                        thread::yield_now();
                        g.1 += 1;
                    } else {
                        let g = rw.read().unwrap();
                        assert_eq!(g.0, g.1);
                    }
                    LOG.with(|l| l.borrow_mut().push(i * 1000 + k));
                }
                once.call_once(|| {
                    calls.fetch_add(1, SeqCst);
                    thread::sleep(Duration::from_millis(2));
                });
                assert_eq!(calls.load(SeqCst), 1);
                assert_eq!(*cell.get_or_init(|| 5), 5);
                if bar.wait().is_leader() {
                    leaders.fetch_add(1, SeqCst);
                }
                LOG.with(|l| {
                    let l = l.borrow();
                    assert_eq!(l.len(), 200);
                    assert!(l.iter().enumerate().all(|(k, v)| *v == i * 1000 + k));
                });
            });
        }
    });
    assert_eq!(leaders.load(SeqCst), 1);
}

fn panics() {
    std::panic::set_hook(Box::new(|_| {}));
    let m = Arc::new(Mutex::new(1));
    let n = m.clone();
    let r = thread::spawn(move || {
        let _g = n.lock().unwrap();
        thread::yield_now();
        panic!("in a thread");
    })
    .join();
    assert_eq!(*r.unwrap_err().downcast_ref::<&str>().unwrap(), "in a thread");
    assert!(m.is_poisoned());
    let _ = std::panic::take_hook();
}

fn main() {
    counter();
    queue();
    channels();
    parks();
    locks();
    panics();
    println!("ok");
}
