//! The conformance kit: the reference server keeps the contract, and each rule is seen to be broken by a server that breaks
//! it.

#![allow(clippy::unwrap_used, clippy::panic, unreachable_pub, reason = "a test may")]

mod flaw;
mod flawed;
mod listed;
mod rewritten;

use serde_json::json;
use sync::testing::contract::{Contract, ContractError, Outcome, Report, Rule};
use sync_examples::server::intercept::Seen;
use sync_examples::server::{Config, Server};

use flaw::{FLAWS, Flaw};
use flawed::Flawed;

fn reference() -> Server {
    Server::start(Config::new(["/notes"]).token("the-token")).unwrap()
}

fn contract(url: &str) -> Contract {
    let template = r#"{"title": "x", "body": "y", "updatedAt": "2026-01-01T00:00:00Z"}"#;
    let contract = Contract::new(url, "/notes").unwrap().bearer("the-token").writers(4);
    contract.template_edited(template, "title").unwrap()
}

async fn checked(url: &str) -> Report {
    contract(url).check().await
}

/// What is said of the reference server with this flaw.
async fn checked_with(flaw: Flaw) -> Report {
    let server = reference();
    let flawed = Flawed::before(&server, flaw).await;
    checked(&flawed.url()).await
}

fn passes(report: &Report) -> bool {
    report.rows.iter().all(|row| matches!(row.outcome, Outcome::Passed))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_reference_server_keeps_every_rule_and_nothing_is_left_behind() {
    let server = reference();
    let report = checked(&server.base_url()).await;
    assert!(passes(&report), "{report}");
    assert!(report.is_kept());
    assert!(server.records("/notes").is_empty(), "what was made is deleted");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_breaks_a_rule_is_seen_to_break_it() {
    let mut broken = Vec::new();
    for (flaw, rule, also) in FLAWS {
        let report = checked_with(flaw).await;
        broken.push(rule);
        for row in &report.rows {
            let passed = matches!(row.outcome, Outcome::Passed);
            if row.rule == rule {
                assert!(!passed, "{flaw:?} was not noticed\n{report}");
            } else if !also.contains(&row.rule) {
                assert!(passed, "{flaw:?} has nothing to do with {:?}\n{report}", row.rule);
            }
        }
        let failed = matches!(report.outcome(rule), Some(Outcome::Failed(_)));
        assert_eq!(
            report.is_kept(),
            !(failed && rule.is_required()) && also.iter().all(|rule| !rule.is_required())
        );
        if failed {
            let told = report.to_string();
            assert!(told.contains("curl -i") && told.contains("expected"), "{told}");
            assert!(!told.contains("the-token"), "{told}");
        }
    }
    broken.sort_unstable();
    broken.dedup();
    assert_eq!(broken, Rule::ALL, "every rule is broken by a flaw");
}

/// What the engine would try again, and give up in the end, is no refusal and no deletion for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_of_html_says_nothing_about_a_record() {
    let report = checked_with(Flaw::SaysItWithAPage).await;
    for rule in [Rule::UpdateOfNothing, Rule::Delete, Rule::BadRecord] {
        let Some(Outcome::Failed(failure)) = report.outcome(rule) else { panic!("{rule:?}\n{report}") };
        assert!(failure.expected.contains("without a page of HTML"), "{report}");
    }
    let report = checked_with(Flaw::AnswersWithAPage).await;
    assert!(matches!(report.outcome(Rule::Create), Some(Outcome::Failed(_))), "{report}");
}

/// Nor is it what the engine takes for a success, but of a deletion.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn something_else_than_the_record_is_no_success() {
    for flaw in [Flaw::AnswersWithAWord, Flaw::AnswersWithTheId, Flaw::AnswersWithAnotherId] {
        let report = checked_with(flaw).await;
        for rule in [Rule::Create, Rule::Update, Rule::Overwrite] {
            let Some(Outcome::Failed(failure)) = report.outcome(rule) else {
                panic!("{flaw:?}: {rule:?}\n{report}")
            };
            assert!(failure.expected.contains("with the record as it is then or nothing"), "{report}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_without_versions_is_told_that_there_are_none() {
    let report = checked_with(Flaw::TellsNoVersions).await;
    for rule in [Rule::StaleUpdate, Rule::StaleOverwrite, Rule::StaleDelete] {
        let Some(Outcome::Failed(failure)) = report.outcome(rule) else { panic!("{rule:?}\n{report}") };
        assert!(failure.expected.starts_with("a version of the record"), "{report}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_may_write_the_same_in_its_own_way() {
    let template =
        r#"{"title": "x", "body": "y", "remark": null, "rank": 1.0, "more": [{"a": 2.0, "b": null}]}"#;
    for flaw in [Flaw::TakesNullsAway, Flaw::WritesIdsInUpperCase, Flaw::WritesWholeNumbersWithoutAPoint] {
        let server = reference();
        let flawed = Flawed::before(&server, flaw).await;
        let report = contract(&flawed.url()).template(template).unwrap().check().await;
        assert!(passes(&report), "{flaw:?}: {report}");
        assert!(server.records("/notes").is_empty(), "{flaw:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_may_refuse_an_update_of_some_members_or_one_that_clears_some() {
    for (flaw, rule) in
        [(Flaw::TakesWholeUpdatesOnly, Rule::PartialUpdate), (Flaw::TakesNoNull, Rule::ClearingUpdate)]
    {
        let report = checked_with(flaw).await;
        for row in &report.rows {
            match &row.outcome {
                Outcome::NotOffered { reason } => {
                    assert!(row.rule == rule && reason.contains("422"), "{report}");
                }
                outcome => {
                    let passed = matches!(outcome, Outcome::Passed);
                    assert!(passed && row.rule != rule, "{flaw:?}: {report}");
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_of_one_member_tells_nothing_about_those_that_an_update_leaves_out() {
    let server = reference();
    let report = contract(&server.base_url()).template(r#"{"title": "x"}"#).unwrap().check().await;
    for rule in [Rule::PartialUpdate, Rule::ClearingUpdate] {
        let Some(Outcome::NotOffered { reason }) = report.outcome(rule) else { panic!("{report}") };
        assert!(reason.contains("template"), "{reason}");
    }
    assert!(report.is_kept(), "{report}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_may_ask_for_a_pause() {
    let server = reference();
    let flawed = Flawed::before(&server, Flaw::LimitsItsRate).await;
    let report = checked(&flawed.url()).await;
    assert!(passes(&report), "{report}");
    assert!(server.records("/notes").is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_waits_for_ever_for_a_server_that_asks_for_pauses() {
    let server = reference();
    let flawed = Flawed::before(&server, Flaw::IsNeverReady).await;
    let report = checked(&flawed.url()).await;
    assert!(!report.rows.iter().any(|row| matches!(row.outcome, Outcome::Passed)), "{report}");
    assert!(flawed.turned_away() < 200, "{} requests", flawed.turned_away());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_deleted_in_the_end_is_told() {
    for flaw in [Flaw::ForbidsDeletions, Flaw::SaysNothingOfWhatItKeeps] {
        let server = reference();
        let flawed = Flawed::before(&server, flaw).await;
        let report = checked(&flawed.url()).await;
        let left: Vec<_> = server.records("/notes").into_keys().collect();
        assert!(!left.is_empty());
        let told = report.to_string();
        assert!(
            left.iter().all(|id| report.left_behind.contains(id) && told.contains(id)),
            "{flaw:?}: {told}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cursor_may_be_an_integer_and_move_without_a_change() {
    for flaw in [Flaw::CursorsAreIntegers, Flaw::CursorsMoveByThemselves] {
        let report = checked_with(flaw).await;
        assert!(passes(&report), "{flaw:?}: {report}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_live_stream_is_shown_as_it_was_asked_for_and_answered() {
    let report = checked_with(Flaw::StreamIsSilent).await;
    let Some(Outcome::Failed(failure)) = report.outcome(Rule::LiveChanges) else { panic!("{report}") };
    let place = failure.said.iter().position(|line| line.contains("/notes/changes")).unwrap();
    let (asked, answer) = (&failure.said[place], &failure.said[place + 1]);
    assert!(asked.ends_with(" -N") && asked.contains("\"Authorization: Bearer $TOKEN\""), "{asked}");
    assert!(answer.contains("-> 200 text/event-stream"), "{answer}");
}

/// Each edit on top of a pull would be a conflict with nothing but itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_may_have_no_versions_but_no_others() {
    assert!(!checked_with(Flaw::ListsOtherVersions).await.is_kept());
    let report = checked_with(Flaw::ListsNoVersions).await;
    let Some(Outcome::NotOffered { reason }) = report.outcome(Rule::Versions) else { panic!("{report}") };
    assert!(reason.contains("in the list"), "{reason}");
    assert!(report.is_kept(), "{report}");
}

#[tokio::test]
async fn a_server_that_puts_nothing_in_place_of_what_was_deleted_need_not() {
    let report = checked_with(Flaw::PutsNothingBack).await;
    assert!(passes(&report), "{report}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_whose_ids_are_uuids_takes_no_others() {
    let report = checked_with(Flaw::TakesUuidsOnly).await;
    for row in &report.rows {
        match &row.outcome {
            Outcome::NotOffered { reason } if row.rule == Rule::OddIds => {
                assert!(reason.contains("a/b") && reason.contains("422"), "{reason}");
            }
            outcome => assert!(matches!(outcome, Outcome::Passed) && row.rule != Rule::OddIds, "{report}"),
        }
    }
    assert!(report.is_kept());
}

#[tokio::test]
async fn a_server_that_offers_no_live_changes_need_not() {
    let report = checked_with(Flaw::NoStream).await;
    assert!(matches!(report.outcome(Rule::LiveChanges), Some(Outcome::NotOffered { .. })), "{report}");
    assert!(report.is_kept());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_gives_no_cursors_but_the_time_of_each_change_keeps_every_rule() {
    let server = reference();
    for (written, also) in [(0, "an empty collection"), (700, "more than a page")] {
        for number in 0..written {
            let id = format!("theirs-{number}");
            server.write_as_other_client("/notes", &id, Some(&json!({ "id": id, "title": also })));
        }
        let flawed = Flawed::before(&server, Flaw::GivesNoCursors).await;
        let report = checked(&flawed.url()).await;
        assert!(passes(&report), "{also}: {report}");
    }
}

/// What the engine would not see: it asks for answers about one record as they are, and goes where a redirect leads within the server.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_behind_what_compresses_or_redirects_keeps_every_rule() {
    for flaw in [Flaw::CompressesWhatMayBe, Flaw::HasMoved] {
        let report = checked_with(flaw).await;
        assert!(passes(&report), "{flaw:?}: {report}");
    }
}

#[tokio::test]
async fn what_is_redirected_to_another_server_keeps_no_rule() {
    let report = checked_with(Flaw::HasMovedElsewhere).await;
    assert!(!report.rows.iter().any(|row| matches!(row.outcome, Outcome::Passed)), "{report}");
    assert!(!report.is_kept());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_others_have_written_is_listed_once() {
    const THEIRS: usize = 5_000;
    let server = reference();
    for number in 0..THEIRS {
        let id = format!("theirs-{number}");
        server.write_as_other_client("/notes", &id, Some(&json!({ "id": id, "title": "theirs" })));
    }
    let report = checked(&server.base_url()).await;
    assert!(report.is_kept(), "{report}");
    let requests = server.requests();
    let of_the_beginning = |seen: &&Seen| seen.method == "GET" && seen.query.starts_with("limit=");
    assert_eq!(requests.iter().filter(of_the_beginning).count(), 1);
    let pages = requests.iter().filter(|seen| seen.query.contains("limit=")).count();
    assert!(pages < 150, "{pages} pages");
    assert_eq!(server.records("/notes").len(), THEIRS, "nothing of theirs was touched");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn somebody_else_may_write_while_nothing_new_is_expected() {
    let server = reference();
    let flawed = Flawed::before(&server, Flaw::SomebodyWrites).await;
    let report = checked(&flawed.url()).await;
    assert!(passes(&report), "{report}");
    assert_eq!(server.records("/notes").len(), 1, "theirs");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_edited_is_no_time_that_the_server_may_set_itself() {
    let server = reference();
    let flawed = Flawed::before(&server, Flaw::UpdatesNothing).await;
    let contract = || Contract::new(&flawed.url(), "/notes").unwrap().bearer("the-token").writers(1);
    let template = r#"{"addedAt": "2026-01-01T00:00:00Z", "title": "x"}"#;
    for contract in [
        contract().template(template).unwrap(),
        contract().template_edited(template, "title").unwrap(),
        contract().template_edited(template, "addedAt").unwrap(),
    ] {
        let report = contract.check().await;
        assert!(matches!(report.outcome(Rule::Update), Some(Outcome::Failed(_))), "{report}");
    }
    let contract = || Contract::new("http://x", "/notes").unwrap();
    for nothing in [r#"{"addedAt": "2026-01-01T00:00:00Z"}"#, r#"{"rank": 1}"#, "{}"] {
        let refused = contract().template(nothing);
        assert!(matches!(refused, Err(ContractError::NothingToEdit)), "{nothing}");
    }
    for member in ["name", "rank"] {
        let refused = contract().template_edited(r#"{"title": "x", "rank": 1}"#, member);
        assert!(matches!(refused, Err(ContractError::NotEditable { .. })), "{member}");
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_keeps_no_rule() {
    let report = checked("http://127.0.0.1:9").await;
    assert!(report.rows.iter().all(|row| matches!(row.outcome, Outcome::Failed(_))), "{report}");
    assert!(report.to_string().contains("no answer"), "{report}");
}

#[test]
fn a_mistaken_question_is_answered_before_anything_is_sent() {
    assert!(matches!(Contract::new("localhost:3000", "/notes"), Err(ContractError::Url { .. })));
    assert!(matches!(Contract::new("http://x", "notes"), Err(ContractError::Endpoint { .. })));
    let contract = Contract::new("http://x", "/notes").unwrap();
    assert!(matches!(contract.template("[1]"), Err(ContractError::Template { .. })));
}
