use super::*;

const TAKE_OVER: i64 = 2_000;

fn node(rank: u32) -> Leadership {
    let options = Options {
        take_over_ms: TAKE_OVER,
        rank,
    };
    Leadership::new(options, Uptime(0))
}

/// Looks every 20 ms and finds nothing, up to `until`; says when it stood.
fn silence(node: &mut Leadership, from: i64, until: i64) -> Option<i64> {
    let mut at = from;
    while at <= until {
        let began = Uptime(at);
        if node.step(Uptime(at + 1), Input::Quiet { began }) == Some(Output::Stand) {
            return Some(at);
        }
        at += 20;
    }
    None
}

/// Leads from `at` on, its last row sent then.
fn leading(at: i64) -> Leadership {
    let mut node = node(0);
    let at = at - TAKE_OVER;
    node.step(Uptime(at), Input::Took(None));
    assert_eq!(silence(&mut node, at, at + TAKE_OVER), Some(at + TAKE_OVER));
    let at = Uptime(at + TAKE_OVER);
    node.step(at, Input::Sent { names: true });
    assert_eq!(node.step(at, Input::Appended), Some(Output::Lead));
    assert_eq!((node.role(), node.may_act(at)), (Role::Confirming, false));
    node.step(at, Input::Sent { names: true });
    assert_eq!(node.step(at, Input::Appended), None);
    assert_eq!(node.role(), Role::Leading);
    node
}

#[test]
fn it_stands_after_the_take_over_time_and_not_before() {
    let mut first = node(0);
    assert_eq!(silence(&mut first, 0, TAKE_OVER - 20), None);
    assert_eq!(silence(&mut first, TAKE_OVER, 9_000), Some(TAKE_OVER));
    // The next one waits its turn.
    let stood = silence(&mut node(2), 0, 9_000);
    assert_eq!(stood, Some(TAKE_OVER + 2 * STAGGER_MS));
}

#[test]
fn every_row_begins_the_silence_anew() {
    let mut node = node(0);
    silence(&mut node, 0, 1_900);
    node.step(Uptime(1_950), Input::Took(None));
    assert_eq!(silence(&mut node, 1_960, 9_000), Some(3_960));
}

#[test]
fn who_did_not_look_for_a_while_counts_from_the_beginning() {
    let mut node = node(0);
    silence(&mut node, 0, 500);
    assert_eq!(silence(&mut node, 60_000, 90_000), Some(62_000));
}

#[test]
fn when_the_leader_leaves_the_next_one_stands_at_once() {
    let mut node = node(1);
    silence(&mut node, 0, 500);
    node.step(Uptime(510), Input::Took(Some(Says::Leaves)));
    assert_eq!(silence(&mut node, 511, 9_000), Some(571));
}

#[test]
fn a_taken_position_ends_a_try_without_ado_and_a_lead_with_everything_discarded() {
    let mut other = node(0);
    assert!(silence(&mut other, 0, 9_000).is_some());
    assert_eq!(other.step(Uptime(2_050), Input::Conflict), None);
    assert_eq!(other.role(), Role::Following);
    let mut leader = leading(10_000);
    assert_eq!(
        leader.step(Uptime(10_100), Input::Conflict),
        Some(Output::StepDown)
    );
    assert_eq!(leader.fresh_until(), None);
    assert_eq!(leader.role(), Role::SteppingDown);
    leader.step(Uptime(10_200), Input::Reloaded);
    assert_eq!(leader.role(), Role::Following);
    assert_eq!(silence(&mut leader, 10_210, 12_190), None);
}

#[test]
fn a_lead_is_fresh_for_half_the_take_over_time_after_its_last_row_left() {
    let mut node = leading(10_000);
    assert!(node.may_act(Uptime(10_999)) && !node.may_act(Uptime(11_000)));
    node.step(Uptime(11_000), Input::Sent { names: false });
    // Under way is not durable.
    assert!(!node.may_act(Uptime(11_001)));
    node.step(Uptime(11_900), Input::Appended);
    assert!(node.may_act(Uptime(11_999)) && !node.may_act(Uptime(12_000)));
}

#[test]
fn it_names_itself_four_times_in_the_take_over_time() {
    let mut node = leading(10_000);
    assert_eq!(node.names_itself_at(), Uptime(10_500));
    node.step(Uptime(10_400), Input::Sent { names: false });
    assert_eq!(node.names_itself_at(), Uptime(10_500));
    node.step(Uptime(10_500), Input::Sent { names: true });
    assert_eq!(node.names_itself_at(), Uptime(11_000));
}
