//! Levels of events: only those that the journal knows are written.

use paytone_domain::{
    Actor, Answer, Command, Event, LEVEL, State, decide, evolve, ids::KeyringFingerprint,
    money::Currency, time::Moment,
};

/// A journal that began at that level.
fn begun(level: u32) -> State {
    let mut state = State::default();
    let event = Event::Initialized {
        currency: Currency::new("CNY", 2).expect("a currency"),
        zone: "UTC".to_owned(),
        cut_off_minutes: 0,
        keyring: KeyringFingerprint([0; 32]),
        level,
    };
    evolve(&mut state, &Moment::default(), &event);
    state
}

fn activated(state: &mut State, level: u32) -> Answer {
    let moment = Moment::default();
    let decision = decide(
        state,
        &moment,
        Actor::System,
        Command::ActivateLevel { level },
    );
    for event in &decision.events {
        evolve(state, &moment, event);
    }
    decision.answer
}

#[test]
fn a_journal_keeps_its_level_until_one_that_this_release_knows_is_activated() {
    let mut state = begun(1);
    for (asked, now) in [(1, 1), (LEVEL + 1, 1), (LEVEL, LEVEL), (1, LEVEL)] {
        assert_eq!(
            activated(&mut state, asked),
            Answer::Level(now),
            "asked for {asked}"
        );
        assert_eq!(state.level(), now);
    }
}

#[test]
fn a_journal_that_has_not_begun_has_no_level_to_raise() {
    let mut state = State::default();
    assert_eq!(activated(&mut state, LEVEL), Answer::Level(1));
    assert!(state.settings.is_none());
}

#[test]
fn a_new_journal_begins_at_the_newest_level() {
    let command = Command::Initialize {
        currency: Currency::new("CNY", 2).expect("a currency"),
        zone: "UTC".to_owned(),
        cut_off_minutes: 0,
        keyring: KeyringFingerprint([0; 32]),
    };
    let moment = Moment::default();
    let decision = decide(&State::default(), &moment, Actor::Console, command);
    let mut state = State::default();
    for event in &decision.events {
        evolve(&mut state, &moment, event);
    }
    assert_eq!(state.level(), LEVEL);
}
