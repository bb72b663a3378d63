//! Runs seed after seed for a while; stops at the first one that finds something.

use std::{
    process::ExitCode,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use clap::Parser;

/// Simulates Paytone with faults, in virtual time, from a seed.
#[derive(Parser)]
#[command(name = "sim")]
struct Args {
    /// How long to go on, in seconds of real time; the run under way then is finished.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// The first seed; random unless given. Later runs count up from it.
    #[arg(long)]
    seed: Option<u64>,
    /// Steps of business per run.
    #[arg(long, default_value_t = 20_000)]
    steps: u64,
    /// Says after each run how often every kind of event was met.
    #[arg(long)]
    met: bool,
    /// This seed alone.
    #[arg(long)]
    once: bool,
}

const NODES: &str = "three nodes";

fn main() -> ExitCode {
    let args = Args::parse();
    let first = args.seed.unwrap_or_else(|| {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        // Short enough to be typed.
        u64::from(since.unwrap_or_default().subsec_nanos())
    });
    println!(
        "first seed {first}, {} steps each, for {} s",
        args.steps, args.seconds
    );
    let began = Instant::now();
    let mut seed = first;
    loop {
        match sim::nodes::run(seed, args.steps, None) {
            Ok(report) => println!(
                "seed {seed}: {NODES} in {} virtual s, {} rows, {} answers, led {} times",
                report.virtual_seconds, report.rows, report.answers, report.take_overs
            ),
            Err(failure) => {
                eprintln!("{NODES}: {failure}");
                eprintln!(
                    "again: cargo run -p sim -- --once --seed {seed} --steps {}",
                    args.steps
                );
                return ExitCode::FAILURE;
            }
        }
        match sim::run(seed, args.steps, None) {
            Ok(report) => {
                println!(
                    "seed {seed}: {} steps in {} virtual s, {} crashes, {} batches, {} answers, {} payments ({} captured), {} \
                 orders at the bank",
                    report.steps,
                    report.virtual_seconds,
                    report.crashes,
                    report.batches,
                    report.answers,
                    report.payments,
                    report.captured,
                    report.bank_operations
                );
                if args.met {
                    for (event, times) in &report.met {
                        println!("{times:>8} {event}");
                    }
                }
            }
            Err(failure) => {
                eprintln!("{failure}");
                eprintln!(
                    "again: cargo run -p sim -- --once --seed {seed} --steps {}",
                    args.steps
                );
                return ExitCode::FAILURE;
            }
        }
        seed = seed.wrapping_add(1);
        if args.once || began.elapsed() >= Duration::from_secs(args.seconds) {
            println!("nothing found in {:.1?}", began.elapsed());
            return ExitCode::SUCCESS;
        }
    }
}
