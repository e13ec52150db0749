//! How soon after its first bytes a look at the sockets may have been: a thread that
//! sleeps is woken by them, and the kernel counts for how long it then had no core.

use std::fs::File;
use std::os::unix::fs::FileExt;

/// Time in the kernel beyond which a look must have slept, ns; and what a thread takes
/// from being switched in until it has the time.
const IN_KERNEL_NS: u64 = 50_000;

/// What is known of the last look.
#[derive(Debug, Default)]
pub(super) struct Woke {
    /// The calling thread's counters.
    counters: Option<File>,
    /// Time for which the thread had been ready without a core, ns, when last asked.
    waited_ns: u64,
    /// Beginning and end of the last look, ns.
    look: (u64, u64),
    /// What follows for it, once asked.
    first_ns: Option<Option<u64>>,
}

impl Woke {
    /// For the calling thread. Where the kernel does not count, nothing follows.
    pub(super) fn of_this_thread() -> Self {
        let mut woke = Self {
            counters: File::open("/proc/thread-self/schedstat").ok(),
            ..Self::default()
        };
        woke.note_waited();
        woke
    }

    /// A look began and ended at these times, ns.
    pub(super) fn looked(&mut self, began_ns: u64, ended_ns: u64) {
        self.look = (began_ns, ended_ns);
        self.first_ns = None;
    }

    /// Notes for how long the thread has waited so far. To be called now and then: what
    /// follows is the closer the less lies between.
    pub(super) fn note_waited(&mut self) -> u64 {
        let waited_ns = self.read().unwrap_or(self.waited_ns);
        let risen_ns = waited_ns.saturating_sub(self.waited_ns);
        self.waited_ns = waited_ns;
        risen_ns
    }

    /// Time for which the thread was ready and had no core, ns.
    fn read(&self) -> Option<u64> {
        let mut text = [0; 96];
        let n = self.counters.as_ref()?.read_at(&mut text, 0).ok()?;
        let text = std::str::from_utf8(&text[..n]).ok()?;
        text.split_ascii_whitespace().nth(1)?.parse().ok()
    }

    /// The first bytes that the last look was told of came no earlier than this, ns;
    /// `None` if that does not follow: they may have been there before it.
    pub(super) fn first_bytes_ns(&mut self) -> Option<u64> {
        if let Some(known) = self.first_ns {
            return known;
        }
        let waited_ns = self.note_waited();
        let first_ns = match self.counters {
            Some(_) => first_bytes_ns(self.look, waited_ns),
            None => None,
        };
        self.first_ns = Some(first_ns);
        first_ns
    }
}

fn first_bytes_ns((began_ns, ended_ns): (u64, u64), waited_ns: u64) -> Option<u64> {
    let slept_ns = ended_ns.saturating_sub(began_ns).checked_sub(waited_ns)?;
    let first_ns = ended_ns.saturating_sub(waited_ns + IN_KERNEL_NS);
    (slept_ns > IN_KERNEL_NS).then(|| first_ns.max(began_ns))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may panic")]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    #[test]
    fn a_look_that_slept_was_woken_by_the_first_bytes() {
        // Ten milliseconds, of which one without a core.
        let first_ns = first_bytes_ns((100 * MS, 110 * MS), MS);
        assert_eq!(first_ns, Some(109 * MS - IN_KERNEL_NS));
    }

    #[test]
    fn of_a_look_that_may_not_have_slept_nothing_follows() {
        assert_eq!(first_bytes_ns((100 * MS, 100 * MS + 9_000), 0), None);
        assert_eq!(
            first_bytes_ns((100 * MS, 103 * MS), 3 * MS),
            None,
            "held up"
        );
        assert_eq!(
            first_bytes_ns((100 * MS, 103 * MS), 9 * MS),
            None,
            "earlier"
        );
    }

    #[test]
    fn a_long_sleep_ends_with_its_first_bytes_by_the_kernels_counters() {
        let mut woke = Woke::of_this_thread();
        // Twenty seconds, of which this thread has waited for a core a part at most.
        woke.looked(MS, 20_000 * MS);
        let first_ns = woke.first_bytes_ns().unwrap();
        assert!((MS..=20_000 * MS - IN_KERNEL_NS).contains(&first_ns));
        let unknown = Woke::default().first_bytes_ns();
        assert_eq!(unknown, None, "where the kernel does not count");
    }
}
