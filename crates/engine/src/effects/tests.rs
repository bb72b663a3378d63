use EffectOutcome::{Done, Refused, Unknown};
use EffectState::{Attempted, Wanted};
use Input::{Asked, Called, NotTaken, Open, Over, Reported, Tick};
use Output::{Ask, Attempt, Call, Report};

use super::*;

const ONE: EffectId = EffectId(1);
const TWO: EffectId = EffectId(2);

struct Play {
    step: Step,
    now: i64,
}

impl Play {
    fn new(in_flight: usize) -> Self {
        let options = Options {
            in_flight,
            ..Options::default()
        };
        Self {
            step: Step::new(options),
            now: 1_000,
        }
    }

    /// What one input causes.
    fn takes(&mut self, input: Input) -> Vec<Output> {
        let mut outputs = Vec::new();
        self.step.step(Timestamp(self.now), input, &mut outputs);
        outputs
    }

    fn waits(&mut self, milliseconds: i64) -> Vec<Output> {
        self.now += milliseconds;
        self.takes(Tick)
    }
}

#[test]
fn an_effect_is_called_only_once_its_attempt_is_durable() {
    let mut play = Play::new(8);
    assert_eq!(play.takes(Open(ONE, Wanted)), [Attempt(ONE)]);
    assert_eq!(
        play.takes(Open(ONE, Wanted)),
        [],
        "it is known by now, however often it is told"
    );
    assert_eq!(play.takes(Input::Attempted(ONE)), [Call(ONE)]);
    assert_eq!(play.takes(Input::Attempted(ONE)), []);
    assert_eq!(play.takes(Called(ONE, Done)), [Report(ONE, Done)]);
    assert_eq!(play.takes(Called(ONE, Done)), []);
    assert_eq!(play.takes(Reported(ONE)), []);
    assert_eq!((play.step.open(), play.step.next_due()), (0, None));
}

#[test]
fn what_is_not_wanted_any_more_is_not_called() {
    let mut play = Play::new(1);
    assert_eq!(play.takes(Open(ONE, Wanted)), [Attempt(ONE)]);
    assert_eq!(play.takes(Open(TWO, Wanted)), [], "no room");
    assert_eq!(play.takes(Over(TWO)), []);
    assert_eq!(play.takes(Input::Gone(ONE)), []);
    assert_eq!(play.step.open(), 0);
}

#[test]
fn after_an_unknown_end_it_asks_until_it_knows_with_longer_pauses() {
    let mut play = Play::new(8);
    play.takes(Open(ONE, Wanted));
    play.takes(Input::Attempted(ONE));
    assert_eq!(play.takes(Called(ONE, Unknown)), [Report(ONE, Unknown)]);
    assert_eq!(play.takes(Reported(ONE)), []);
    for pause in [200, 400, 800] {
        assert_eq!(play.step.next_due(), Some(Timestamp(play.now + pause)));
        assert_eq!(play.waits(pause - 1), []);
        assert_eq!(play.waits(1), [Ask(ONE)]);
        assert_eq!(
            play.takes(Asked(ONE, Knowledge::Unknown)),
            [],
            "that it is unknown is told once"
        );
    }
    play.waits(1_600);
    assert_eq!(
        play.takes(Asked(ONE, Knowledge::Refused)),
        [Report(ONE, Refused)]
    );
    play.takes(Reported(ONE));
    assert_eq!(play.step.open(), 0);
}

#[test]
fn an_order_that_is_not_known_there_is_sent_again_as_another_attempt() {
    let mut play = Play::new(8);
    play.takes(Open(ONE, Wanted));
    play.takes(Input::Attempted(ONE));
    play.takes(Called(ONE, Unknown));
    play.takes(Reported(ONE));
    assert_eq!(play.waits(200), [Ask(ONE)]);
    assert_eq!(play.takes(Asked(ONE, Knowledge::NotFound)), []);
    assert_eq!(play.waits(400), [Attempt(ONE)]);
    assert_eq!(play.takes(Input::Attempted(ONE)), [Call(ONE)]);
}

#[test]
fn an_order_whose_payment_is_over_is_asked_about_and_never_sent_again() {
    let mut play = Play::new(8);
    assert_eq!(play.takes(Open(ONE, EffectState::Unknown)), [Ask(ONE)]);
    play.takes(Asked(ONE, Knowledge::NotFound));
    assert_eq!(play.waits(200), [Attempt(ONE)]);
    assert_eq!(play.takes(Input::PaymentOver(ONE)), []);
    let over_at = play.now;
    let mut asked = 0;
    while play.now < over_at + 600_000 {
        assert_eq!(play.waits(30_000), [Ask(ONE)]);
        if play.now < over_at + 600_000 {
            assert_eq!(play.takes(Asked(ONE, Knowledge::NotFound)), []);
        }
        asked += 1;
    }
    assert_eq!(asked, 20);
    assert_eq!(
        play.takes(Asked(ONE, Knowledge::NotFound)),
        [Report(ONE, Refused)],
        "it never came there"
    );
    play.takes(Reported(ONE));
    assert_eq!(
        (play.step.open(), play.step.in_flight, play.step.next_due()),
        (0, 0, None)
    );
}

#[test]
fn what_comes_to_the_bank_after_its_payment_is_over_is_reported() {
    let mut play = Play::new(8);
    play.takes(Open(ONE, EffectState::Unknown));
    play.takes(Asked(ONE, Knowledge::NotFound));
    play.waits(200);
    play.takes(Input::PaymentOver(ONE));
    play.waits(400);
    play.takes(Asked(ONE, Knowledge::NotFound));
    assert_eq!(play.waits(800), [Ask(ONE)]);
    assert_eq!(play.takes(Asked(ONE, Knowledge::Done)), [Report(ONE, Done)]);
}

#[test]
fn after_a_restart_what_was_attempted_begins_with_a_question() {
    let mut play = Play::new(8);
    assert_eq!(play.takes(Open(ONE, Attempted)), [Ask(ONE)]);
    assert_eq!(play.takes(Open(TWO, EffectState::Unknown)), [Ask(TWO)]);
    assert_eq!(play.takes(Open(EffectId(3), EffectState::Stuck)), []);
    assert_eq!(play.takes(Asked(ONE, Knowledge::Done)), [Report(ONE, Done)]);
    assert_eq!(
        play.takes(Asked(TWO, Knowledge::Unknown)),
        [],
        "the journal knows that already"
    );
}

#[test]
fn no_more_than_the_limit_are_under_way_and_a_resting_one_gives_its_room() {
    let mut play = Play::new(1);
    assert_eq!(play.takes(Open(ONE, Wanted)), [Attempt(ONE)]);
    assert_eq!(play.takes(Open(TWO, Wanted)), []);
    play.takes(Input::Attempted(ONE));
    play.takes(Called(ONE, Unknown));
    assert_eq!(play.takes(Reported(ONE)), [Attempt(TWO)]);
    assert_eq!(play.waits(200), [], "one rests over its time");
    play.takes(Input::Attempted(TWO));
    play.takes(Called(TWO, Done));
    assert_eq!(play.takes(Reported(TWO)), [Ask(ONE)]);
}

#[test]
fn what_the_engine_did_not_take_is_said_again() {
    let mut play = Play::new(8);
    play.takes(Open(ONE, Wanted));
    assert_eq!(play.takes(NotTaken(ONE)), []);
    assert_eq!(play.waits(200), [Attempt(ONE)]);
    play.takes(Input::Attempted(ONE));
    play.takes(Called(ONE, Done));
    assert_eq!(play.takes(NotTaken(ONE)), []);
    assert_eq!(play.waits(400), [Report(ONE, Done)]);
    play.takes(Reported(ONE));
    assert_eq!((play.step.open(), play.step.in_flight), (0, 0));
}

#[test]
fn what_is_wanted_again_before_its_refusal_was_acknowledged_is_done_again() {
    let mut play = Play::new(8);
    play.takes(Open(ONE, Wanted));
    play.takes(Input::Attempted(ONE));
    assert_eq!(play.takes(Called(ONE, Refused)), [Report(ONE, Refused)]);
    assert_eq!(play.takes(Open(ONE, Wanted)), []);
    assert_eq!(play.takes(Reported(ONE)), [Attempt(ONE)]);
}

#[test]
fn what_the_engine_says_is_gone_is_forgotten_in_every_phase() {
    for steps in 0..6 {
        let mut play = Play::new(1);
        let inputs = [
            Open(ONE, Wanted),
            Input::Attempted(ONE),
            Called(ONE, Unknown),
            Reported(ONE),
            Tick,
            Asked(ONE, Knowledge::Done),
        ];
        for input in &inputs[..=steps] {
            play.now += 200;
            play.takes(*input);
        }
        play.takes(Input::Gone(ONE));
        let left = (play.step.open(), play.step.in_flight, play.step.next_due());
        assert_eq!(left, (0, 0, None), "after {:?}", inputs[steps]);
    }
}
