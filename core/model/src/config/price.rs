//! What the machines cost.

use super::Config;

impl Config {
    /// What an hour of the machine that serves a backend costs: its own price, or
    /// that of the run.
    #[must_use]
    pub fn price_per_hour_of(&self, label: &str) -> Option<f64> {
        let mut backends = self.backends.iter();
        let own = backends.find(|backend| backend.label() == label);
        own.and_then(|backend| backend.price_per_hour)
            .or(self.price_per_hour)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_price_of_a_backend_comes_before_that_of_the_run() {
        let config: Config = serde_json::from_value(serde_json::json!({
            "name": "a",
            "model": {"id": "m"},
            "backends": [{"plugin": "vllm", "price_per_hour": 3.5}, {"plugin": "hf"}],
            "load": {"concurrency": [1], "requests": 1},
            "price_per_hour": 2.0,
        }))
        .unwrap();
        assert_eq!(config.price_per_hour_of("vllm"), Some(3.5));
        assert_eq!(config.price_per_hour_of("hf"), Some(2.0));
    }
}
