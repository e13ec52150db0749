use super::*;

/// base 1000 ns, 10 ns per sequence, 1 ns per prefill token; 8 blocks of 4 tokens.
fn config() -> EngineConfig {
    EngineConfig {
        step_base_ns: 1000,
        step_per_seq_ns: 10,
        prefill_ns_per_token: 1,
        max_num_seqs: 4,
        max_batched_tokens: 100,
        kv_blocks: 8,
        block_size: 4,
        prefix_caching: false,
    }
}

fn key(request: u64) -> SeqKey {
    SeqKey { slot: 0, request }
}

/// Runs until idle; (end of step, request) of every token.
fn run(engine: &mut Engine, from_ns: u64) -> Vec<(u64, u64)> {
    let mut tokens = Vec::new();
    let mut produced = Vec::new();
    let mut now_ns = from_ns;
    while let Some(due_ns) = engine.due_ns() {
        now_ns = now_ns.max(due_ns);
        engine.advance(now_ns, &mut produced);
        tokens.extend(produced.drain(..).map(|p| (now_ns, p.key.request)));
    }
    tokens
}

#[test]
fn a_lone_sequence_pays_prefill_once_and_one_step_per_token() {
    let mut engine = Engine::new(config());
    engine.submit(key(1), &[0; 5], 3).unwrap();
    // 1000 + 10 + 5 = 1015, then 1010 each.
    assert_eq!(run(&mut engine, 0), [(1015, 1), (2025, 1), (3035, 1)]);
    assert_eq!(engine.kv_usage(), 0.0);
}

#[test]
fn a_batch_shares_the_base_cost_of_a_step() {
    let mut engine = Engine::new(config());
    engine.submit(key(1), &[0; 4], 2).unwrap();
    engine.submit(key(2), &[0; 6], 2).unwrap();
    // 1000 + 2 * 10 + 10 = 1030, then 1020.
    assert_eq!(
        run(&mut engine, 0),
        [(1030, 1), (1030, 2), (2050, 1), (2050, 2)]
    );
}

#[test]
fn a_request_that_comes_during_a_step_waits_for_the_next() {
    let mut engine = Engine::new(config());
    engine.submit(key(1), &[0; 5], 2).unwrap();
    let mut produced = Vec::new();
    engine.advance(0, &mut produced);
    engine.submit(key(2), &[0; 5], 1).unwrap();
    // First step ends at 1015; the second has both: 1000 + 20 + 5.
    assert_eq!(run(&mut engine, 500), [(1015, 1), (2040, 1), (2040, 2)]);
}

#[test]
fn sequential_serving_finishes_requests_in_order_of_arrival() {
    let mut engine = Engine::new(EngineConfig {
        max_num_seqs: 1,
        ..config()
    });
    engine.submit(key(1), &[0; 1], 2).unwrap();
    engine.submit(key(2), &[0; 1], 1).unwrap();
    engine.submit(key(3), &[0; 1], 1).unwrap();
    // 1011, 1010 for the first; 1011 for each other.
    assert_eq!(
        run(&mut engine, 0),
        [(1011, 1), (2021, 1), (3032, 2), (4043, 3)]
    );
}

#[test]
fn a_prompt_over_the_budget_is_prefilled_over_several_steps() {
    let mut engine = Engine::new(EngineConfig {
        max_batched_tokens: 10,
        ..config()
    });
    engine.submit(key(1), &[0; 25], 1).unwrap();
    // 10 + 10 + 5 tokens: 1020, 1020, 1015; the token comes with the last.
    assert_eq!(run(&mut engine, 0), [(3055, 1)]);
}

#[test]
fn prefill_budget_delays_the_second_prompt() {
    let mut engine = Engine::new(EngineConfig {
        max_batched_tokens: 8,
        ..config()
    });
    engine.submit(key(1), &[0; 8], 1).unwrap();
    engine.submit(key(2), &[0; 8], 1).unwrap();
    assert_eq!(run(&mut engine, 0), [(1018, 1), (2036, 2)]);
}

#[test]
fn without_free_blocks_the_newest_sequence_is_preempted_and_recomputed() {
    // 4 blocks of 4: two prompts of 7 take 2 blocks each. After token 2 each is 9 long
    // and needs a third block: sequence 1 takes it by preempting sequence 2.
    let mut engine = Engine::new(EngineConfig {
        kv_blocks: 4,
        ..config()
    });
    engine.submit(key(1), &[0; 7], 3).unwrap();
    engine.submit(key(2), &[0; 7], 3).unwrap();
    // Step 1: 1000 + 20 + 14 = 1034. Step 2 (8 long): 1020 -> 2054.
    // Step 3: only 1: 1010 -> 3064, and 1 is done. Step 4: 2 prefills 7 + 2 = 9: 1019 -> 4083.
    let expected = [
        (1034, 1),
        (1034, 2),
        (2054, 1),
        (2054, 2),
        (3064, 1),
        (4083, 2),
    ];
    assert_eq!(run(&mut engine, 0), expected);
    assert_eq!(engine.counts().preemptions, 1);
    assert_eq!(engine.kv_usage(), 0.0);
}

#[test]
fn admission_waits_for_free_blocks_in_order_of_arrival() {
    let mut engine = Engine::new(EngineConfig {
        kv_blocks: 4,
        ..config()
    });
    engine.submit(key(1), &[0; 12], 1).unwrap();
    engine.submit(key(2), &[0; 8], 1).unwrap();
    engine.submit(key(3), &[0; 4], 1).unwrap();
    // 3 blocks held: 2 does not fit, and 3 must not overtake it.
    assert_eq!(run(&mut engine, 0), [(1022, 1), (2054, 2), (2054, 3)]);
}

#[test]
fn what_can_never_fit_is_refused_with_both_numbers() {
    let mut engine = Engine::new(config());
    let text = engine.submit(key(1), &[0; 30], 3).unwrap_err().to_string();
    assert_eq!(text, "prompt and output need 9 KV blocks, the pool has 8");
}

#[test]
fn a_cached_prefix_costs_no_prefill() {
    let mut engine = Engine::new(EngineConfig {
        prefix_caching: true,
        ..config()
    });
    let prompt: Vec<u32> = (0..10).collect();
    engine.submit(key(1), &prompt, 1).unwrap();
    assert_eq!(run(&mut engine, 0), [(1020, 1)]);
    engine.submit(key(2), &prompt, 1).unwrap();
    // Two full blocks = 8 of 10 tokens hit: 1000 + 10 + 2.
    assert_eq!(run(&mut engine, 10_000), [(11_012, 2)]);
    let counts = engine.counts();
    assert_eq!((counts.prefix_queries, counts.prefix_hits), (20, 8));
    engine.forget_prefixes();
    engine.submit(key(3), &prompt, 1).unwrap();
    assert_eq!(run(&mut engine, 20_000), [(21_020, 3)]);
}

#[test]
fn the_last_prompt_token_is_computed_even_if_all_is_cached() {
    let mut engine = Engine::new(EngineConfig {
        prefix_caching: true,
        ..config()
    });
    let prompt: Vec<u32> = (0..8).collect();
    engine.submit(key(1), &prompt, 1).unwrap();
    run(&mut engine, 0);
    engine.submit(key(2), &prompt, 1).unwrap();
    // Only the first block may hit: 4 tokens are left.
    assert_eq!(run(&mut engine, 10_000), [(11_014, 2)]);
}

#[test]
fn an_aborted_sequence_frees_its_blocks_and_gets_no_token() {
    let mut engine = Engine::new(config());
    engine.submit(key(1), &[0; 8], 5).unwrap();
    engine.submit(key(2), &[0; 4], 1).unwrap();
    let mut produced = Vec::new();
    engine.advance(0, &mut produced);
    assert_eq!(engine.kv_usage(), 3.0 / 8.0);
    engine.abort(key(1));
    assert_eq!(engine.kv_usage(), 1.0 / 8.0);
    assert_eq!(run(&mut engine, 0), [(1032, 2)]);
}

#[test]
fn small_lateness_is_caught_up_and_large_is_lost() {
    let mut engine = Engine::new(config());
    engine.submit(key(1), &[0; 5], 9).unwrap();
    let mut produced = Vec::new();
    engine.advance(0, &mut produced);
    engine.advance(1500, &mut produced);
    assert_eq!(engine.due_ns(), Some(1015 + 1010));
    engine.advance(5_000_000, &mut produced);
    assert_eq!(engine.due_ns(), Some(5_000_000 + 1010));
}
