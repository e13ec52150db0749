//! What the shards of a run send together is what one machine would have sent, for every
//! number of them.

use inferbench_model::config::{Level, LoadConfig};
use inferbench_model::plan::schedule::Schedule;
use inferbench_model::plan::sends::{PlannedSend, PlannedSends};
use inferbench_model::plan::shard::Shard;
use proptest::prelude::*;

fn shards(count: u32) -> impl Iterator<Item = Shard> {
    (0..count).map(move |index| Shard::new(index, count).unwrap())
}

fn load(json: &str) -> LoadConfig {
    serde_json::from_str(json).unwrap()
}

fn sends(load: &LoadConfig, seed: u64) -> PlannedSends {
    let level = load.levels()[0];
    let Level::RequestRate(rate) = level else {
        panic!("{level} is no rate");
    };
    PlannedSends::new(load, level, Schedule::new(load, rate, seed).unwrap())
}

/// Every send of the shards with its index in the whole, in the order of those.
fn together(load: &LoadConfig, seed: u64, count: u32) -> Vec<(u64, PlannedSend)> {
    let each = shards(count).flat_map(|shard| {
        let own = shard.own(sends(load, seed)).enumerate();
        own.map(move |(place, send)| (shard.request_index(place as u64), send))
    });
    let mut all: Vec<(u64, PlannedSend)> = each.collect();
    all.sort_by_key(|(index, _)| *index);
    all
}

proptest! {
    #[test]
    fn shards_of_an_open_loop_send_exactly_the_schedule_of_the_whole(
        count in 1_u32..=16,
        requests in 1_u64..200,
        warmup in 0_u64..20,
        seed: u64,
        arrivals in prop::sample::select(vec!["poisson", "constant", "gamma"]),
    ) {
        let load = load(&format!(
            r#"{{"request_rate": [50], "arrivals": "{arrivals}", "requests": {requests},
                "warmup_requests": {warmup}}}"#
        ));
        let whole: Vec<(u64, PlannedSend)> = (0..).zip(sends(&load, seed)).collect();
        prop_assert_eq!(whole.len() as u64, requests + warmup);
        prop_assert_eq!(together(&load, seed, count), whole);
    }

    #[test]
    fn shards_of_an_open_loop_end_together_where_its_time_ends_it(
        count in 1_u32..=16,
        seed: u64,
    ) {
        let load = load(r#"{"request_rate": [40], "duration": "3s", "warmup_requests": 5,
            "shape": {"on_off": {"on": "1s", "off": "1s"}}}"#);
        let whole: Vec<(u64, PlannedSend)> = (0..).zip(sends(&load, seed)).collect();
        prop_assert_eq!(together(&load, seed, count), whole);
    }

    #[test]
    fn shards_of_a_closed_loop_share_out_every_slot_and_request(
        count in 1_u32..=16,
        slots in 1_u32..300,
        warmup in 0_u64..40,
        measured in 0_u64..500,
    ) {
        let each = |of: &dyn Fn(Shard) -> u64| -> Vec<u64> { shards(count).map(of).collect() };
        let own_slots = each(&|shard| shard.slots(slots).into());
        prop_assert_eq!(own_slots.iter().sum::<u64>(), u64::from(slots));
        prop_assert!(own_slots.is_sorted_by(|a, b| a >= b), "the remainder comes first");
        prop_assert!(own_slots[0] - own_slots[own_slots.len() - 1] <= 1);
        // Each goes on with its next index: warm-up first, then what is measured.
        let mut seen = Vec::new();
        for shard in shards(count) {
            let (own_warmup, own_measured) =
                (shard.warmups(warmup), shard.measured(warmup, measured));
            for place in 0..own_warmup + own_measured {
                let index = shard.request_index(place);
                prop_assert!(shard.owns(index));
                prop_assert_eq!(index < warmup, place < own_warmup);
                seen.push(index);
            }
        }
        seen.sort_unstable();
        let all: Vec<u64> = (0..warmup + measured).collect();
        prop_assert_eq!(seen, all);
    }
}
