//! What the figures of a million token gaps cost.

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use inferbench_model::stats::Summary;
use inferbench_model::stats::packed::{Packed, Pool};
use inferbench_model::text::units::NS_PER_MS;

const GAPS: u64 = 1_000_000;

/// Gaps of 5 to 15 ms in nanoseconds, in no order.
fn gaps() -> Vec<i64> {
    let mut state = 1_u64;
    let mut next = || {
        // Multiplier of Knuth's MMIX.
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        5_000_000 + (state >> 33) as i64 % 10_000_000
    };
    (0..GAPS).map(|_| next()).collect()
}

fn packed(gaps: &[i64]) -> Packed {
    let mut packed = Packed::default();
    gaps.iter().for_each(|gap| packed.push(*gap));
    packed.pack();
    packed
}

fn million_gaps(criterion: &mut Criterion) {
    let gaps = gaps();
    let sample = packed(&gaps);
    let mut group = criterion.benchmark_group("a million gaps");
    group.throughput(Throughput::Elements(GAPS));
    group.sample_size(20);
    group.bench_function("pack", |bencher| {
        bencher.iter(|| packed(black_box(&gaps)));
    });
    group.bench_function("sum up, packed", |bencher| {
        bencher.iter(|| Summary::of_whole(&Pool::new([black_box(&sample)]), NS_PER_MS));
    });
    let plain: Vec<f64> = gaps.iter().map(|gap| *gap as f64 / NS_PER_MS).collect();
    group.bench_function("sum up, as plain numbers", |bencher| {
        let copy = || plain.clone();
        bencher.iter_batched(copy, Summary::from_values, BatchSize::LargeInput);
    });
    group.finish();
}

criterion_group!(benches, million_gaps);
criterion_main!(benches);
