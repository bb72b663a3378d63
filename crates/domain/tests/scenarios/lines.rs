//! Network exports: bind, update, renumber, recycle; the same row twice changes nothing.

use paytone_domain::subscriber::RowOutcome;

use crate::support::{
    check, check_in,
    script::{Script, amount, number},
};

#[test]
fn a_number_is_bound_once_and_the_same_row_changes_nothing() {
    check(
        "
        line dora               | added
        line dora               | unchanged
        line dora bill=10       | updated
        line dora               | unchanged
        line dora asof=24h      | no: older_than_known
        line dora profile=9     | updated
        line dora profile=9     | unchanged
        ",
    );
}

#[test]
fn renumbering_moves_the_binding_and_everything_stays() {
    check(
        "
        cash alice 100                  | ok
        grant g alice 20                | ok
        mandate m alice shop            | awaiting_approval
        sign m                          | active
        pay p alice shop 10             | awaiting_approval
        renumber alice alice-new        | renumbered
        # The old number is nobody's now.
        pay q alice shop 10             | awaiting_approval [unknown_number]
        pay r alice-new shop 10         | awaiting_approval
        approve p                       | captured
        approve r                       | captured
        charge c m 10                   | captured
        money alice                     | cash 90, spent 30
        renumber bob alice-new          | no: number_taken
        line alice                      | added
        ",
    );
}

#[test]
fn a_renumbering_taken_in_twice_changes_nothing_even_when_the_old_number_has_a_next_holder() {
    let mut script = Script::default();
    let mut row = script.row("alice");
    row.number = crate::support::script::number("alice-new");
    row.renumbered_from = Some(crate::support::script::number("alice"));
    row.profile_hash = 2;
    let mut older = row.clone();
    older.line.as_of = older.line.as_of.plus(-1);
    assert!(script.import(&older).is_err(), "an older export");
    assert_eq!(
        script.import(&row),
        Ok(paytone_domain::subscriber::RowOutcome::Renumbered)
    );
    let unchanged = Ok(paytone_domain::subscriber::RowOutcome::Unchanged);
    assert_eq!(script.import(&row), unchanged);
    check_in(&mut script, "line alice | added");
    let written = script.world.written();
    assert_eq!(script.import(&row), unchanged);
    assert_eq!(script.world.written(), written);
}

#[test]
fn recycling_is_said_by_the_row_and_begins_a_generation_with_nothing_of_the_old() {
    check(
        "
        cash alice 100                  | ok
        grant g alice 20                | ok
        mandate m alice shop            | awaiting_approval
        sign m                          | active
        pay p alice shop 10             | awaiting_approval
        pay h alice shop 30 manual      | awaiting_approval
        approve h                       | authorized
        # A later activation alone is not a new holder.
        line alice activated=1h         | updated
        recycle alice none activated=1h | unchanged
        recycle alice dora              | recycled
        # 20 of the grant and 10 of the cash are held for h.
        money alice                     | cash 10 (10 held), g 20 (20 held), unclaimed 90, spent 30
        money dora                      | nothing
        device alice                    | Removed
        approve p                       | no: device_not_active
        mandate m                       | ended, charged 0
        recycle alice none activated=0s | unchanged
        pay q alice shop 10             | awaiting_approval [no_device]
        capture h 25                    | captured
        tick                            | 1 fell
        money alice                     | unclaimed 95, spent 25
        refund r h 5                    | 5 completed
        refund r h 20                   | 20 completed
        money alice                     | unclaimed 100, spent 25
        book                            | campaign_expense 20, unclaimed 100, opening_balances -120
        wait 3m                         |
        payment p                       | expired
        ask e alice                     | enter code, sent
        code e right                    | choose PIN
        enrol e dora                    | Active
        ",
    );
}

#[test]
fn what_was_held_on_a_lot_of_one_who_left_goes_back_where_it_came_from() {
    check(
        "
        grant g alice 20                | ok
        cash alice 5                    | ok
        pay h alice shop 25 manual      | awaiting_approval
        approve h                       | authorized
        recycle alice dora              | recycled
        cancel h                        | cancelled
        tick                            | 1 fell
        money alice                     | unclaimed 5
        book                            | campaign_expense 20, unclaimed 5, opening_balances -25
        ",
    );
}

#[test]
fn a_date_that_an_export_leaves_out_stays_and_only_moves_forward() {
    let mut script = Script::default();
    check_in(
        &mut script,
        "
        line alice sim=1h device=2h     | updated
        pay p alice shop 10             | awaiting_approval [recent_sim_change]
        ",
    );
    let known = script.row("alice");
    let mut row = known.clone();
    (row.line.sim_changed, row.line.device_changed) = (None, None);
    assert_eq!(script.import(&row), Ok(RowOutcome::Unchanged));
    row.line.bill_limit = amount(7);
    assert_eq!(script.import(&row), Ok(RowOutcome::Updated));
    let line = script.row("alice").line;
    assert_eq!(line.sim_changed, known.line.sim_changed);
    assert_eq!(line.device_changed, known.line.device_changed);
    check_in(
        &mut script,
        "
        line alice sim=90d              | unchanged
        pay q alice shop 10             | awaiting_approval [recent_sim_change]
        renumber alice new-number       | renumbered
        pay r new-number shop 10        | awaiting_approval [recent_sim_change]
        # Another holder begins with what is told of that one.
        recycle new-number dora activated=0s | recycled
        ",
    );
    let dora = script.world.state.holder(&number("new-number"));
    let line = dora.expect("a holder").line();
    assert!(line.activated > known.line.activated);
}
