//! The unit of the time axis.

/// The unit of the time axis: the largest in which a run is still some units long.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct TimeUnit {
    /// Its length, s.
    length_s: f64,
    name: &'static str,
}

impl TimeUnit {
    /// `end_s`: length of the longest run.
    pub(super) fn for_length(end_s: f64) -> Self {
        let (length_s, name) = match end_s {
            ..600.0 => (1.0, "seconds"),
            ..14_400.0 => (60.0, "minutes"),
            _ => (3_600.0, "hours"),
        };
        Self { length_s, name }
    }

    /// A time in this unit, to a fraction that no chart can show.
    pub(super) fn of_s(self, t_s: f64) -> f64 {
        match self.length_s {
            1.0 => t_s,
            length_s => (t_s / length_s * 1e5).round() / 1e5,
        }
    }

    pub(super) fn title(self, several: bool) -> String {
        let of = if several { "each" } else { "the" };
        format!("{} since the start of {of} run", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_run_has_few_large_units() {
        let unit = |end_s| TimeUnit::for_length(end_s);
        assert_eq!(unit(60.0).name, "seconds");
        assert_eq!(unit(3_600.0).name, "minutes");
        assert_eq!(unit(86_400.0).name, "hours");
        // 5,000.123 s: 83.33538 min
        assert_eq!(unit(3_600.0).of_s(5_000.123), 83.33538);
        assert_eq!(
            unit(86_400.0).title(true),
            "hours since the start of each run"
        );
    }
}
