//! Wakes a worker at an exact moment.
//!
//! A runtime's timer wheel has millisecond slots and wakes half a millisecond late on average; a `timerfd` wakes within
//! some tens of microseconds. One alarm serves all schedules, think times and sealings of a worker.

use std::io;
use std::task::{Context, Poll};

use pulse_model::Nanos;

#[cfg(target_os = "linux")]
pub(crate) use timer_fd::Alarm;
#[cfg(not(target_os = "linux"))]
pub(crate) use wheel::Alarm;

#[cfg(target_os = "linux")]
mod timer_fd {
    use super::{Context, Nanos, Poll, io};
    use rustix::fd::OwnedFd;
    use rustix::time::{
        Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
        timerfd_settime,
    };
    use tokio::io::unix::AsyncFd;

    /// An alarm over a `timerfd`.
    #[derive(Debug)]
    pub(crate) struct Alarm {
        timer: AsyncFd<OwnedFd>,
        armed: Option<Nanos>,
    }

    impl Alarm {
        #[expect(
            deprecated,
            reason = "the successor is unsafe for the sake of types that do not own their descriptor; an OwnedFd does"
        )]
        pub(crate) fn new() -> io::Result<Self> {
            let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
            let timer = AsyncFd::new(timerfd_create(TimerfdClockId::Monotonic, flags)?)?;
            Ok(Self { timer, armed: None })
        }

        /// Ready once `at` has passed; wakes the task then. `now` must be current.
        pub(crate) fn poll(&mut self, at: Nanos, now: Nanos, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            if at <= now {
                return Poll::Ready(Ok(()));
            }
            if self.armed != Some(at) {
                let wait = at.since(now).0;
                let value = Timespec {
                    tv_sec: (wait / 1_000_000_000).cast_signed(),
                    tv_nsec: (wait % 1_000_000_000).cast_signed(),
                };
                let once = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value: value };
                timerfd_settime(self.timer.get_ref(), TimerfdTimerFlags::empty(), &once)?;
                self.armed = Some(at);
            }
            loop {
                let mut ready = match self.timer.poll_read_ready(cx) {
                    Poll::Ready(ready) => ready?,
                    Poll::Pending => return Poll::Pending,
                };
                // Readiness may be left over from an earlier setting: only a successful read is an expiry of this one.
                let read =
                    ready.try_io(|timer| rustix::io::read(timer, &mut [0; 8]).map_err(io::Error::from));
                match read {
                    Ok(expired) => {
                        self.armed = None;
                        return Poll::Ready(expired.map(|_| ()));
                    }
                    Err(_would_block) => {}
                }
            }
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod wheel {
    use super::{Context, Nanos, Poll, io};
    use std::future::Future as _;
    use std::pin::Pin;

    /// An alarm over the runtime's timer wheel: exact to a millisecond.
    #[derive(Debug)]
    pub(crate) struct Alarm {
        sleep: Pin<Box<tokio::time::Sleep>>,
        armed: Option<Nanos>,
    }

    impl Alarm {
        pub(crate) fn new() -> io::Result<Self> {
            Ok(Self { sleep: Box::pin(tokio::time::sleep(std::time::Duration::ZERO)), armed: None })
        }

        /// Ready once `at` has passed; wakes the task then. `now` must be current.
        pub(crate) fn poll(&mut self, at: Nanos, now: Nanos, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            if at <= now {
                return Poll::Ready(Ok(()));
            }
            if self.armed != Some(at) {
                let deadline = tokio::time::Instant::now() + std::time::Duration::from(at.since(now));
                self.sleep.as_mut().reset(deadline);
                self.armed = Some(at);
            }
            self.sleep.as_mut().poll(cx).map(|()| {
                self.armed = None;
                Ok(())
            })
        }
    }
}
