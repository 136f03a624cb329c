//! What a server tells on its own.

use std::time::Duration;

use futures::StreamExt;
use sync::remote::rest::{LiveDialect, LongPollDialect};
use sync::remote::{Changed, EventId, Heard, ListenRequest, Remote};
use sync::{Dialect, RemoteError, RestRemote};

use super::given::{NOTES, key, remote, told, version};
use super::server::{Answer, Server};

const ANYTHING: ListenRequest = ListenRequest { entity: &NOTES, after: None };

fn events(text: &str) -> Answer {
    Answer::status(200).header("Content-Type", "text/event-stream; charset=utf-8").body(text)
}

/// Everything that is heard before the connection ends.
async fn heard(answer: Answer) -> Vec<Result<Heard, RemoteError>> {
    let server = Server::saying(answer).await;
    remote(&server).changes(ANYTHING).await.unwrap().expect("it is a stream of events").collect().await
}

async fn hints(text: &str) -> Vec<Heard> {
    heard(events(text)).await.into_iter().map(Result::unwrap).collect()
}

fn hint(event: Option<&str>, changed: Changed) -> Heard {
    Heard::Hint { event: event.map(EventId::new), changed }
}

fn record(id: &str, at: &str) -> Changed {
    Changed::Record { key: key(id), version: version(at).unwrap() }
}

#[tokio::test]
async fn listening_asks_for_server_sent_events_below_the_endpoint() {
    let server = Server::saying(events("")).await;
    let remote = RestRemote::builder(format!("{}/v1", server.url())).bearer("t").build().unwrap();
    let after = Some(EventId::new("17"));
    drop(remote.changes(ListenRequest { entity: &NOTES, after }).await.unwrap());
    let seen = server.only();
    assert_eq!((&*seen.method, &*seen.target), ("GET", "/v1/notes/changes"));
    assert_eq!(seen.header("accept"), Some("text/event-stream"));
    assert_eq!(
        seen.header("accept-encoding"),
        Some("identity"),
        "what compresses a stream holds events back"
    );
    assert_eq!(seen.header("last-event-id"), Some("17"));
    assert_eq!(seen.header("authorization"), Some("Bearer t"));
}

#[tokio::test]
async fn an_event_names_the_record_and_its_version() {
    assert_eq!(
        hints("id: 4\ndata: {\"id\":\"a\",\"version\":\"3\"}\n\ndata: {\"id\":7,\"version\":8}\n\n").await,
        [hint(Some("4"), record("a", "3")), hint(None, record("7", "8"))]
    );
    assert_eq!(
        hints("data: {\"id\":\"a\",\"deleted\":true}\n\n").await,
        [hint(None, Changed::Deleted { key: key("a") })]
    );
}

#[tokio::test]
async fn any_other_event_says_that_something_changed() {
    for data in ["", "changed", "{}", "[1]", "{\"id\":\"a\"}", "{\"id\":\"\",\"version\":1}", "{\"id\":{}}"] {
        assert_eq!(hints(&format!("data: {data}\n\n")).await, [hint(None, Changed::Anything)], "{data}");
    }
}

#[tokio::test]
async fn comments_say_nothing_and_the_servers_wish_for_a_pause_is_told() {
    assert_eq!(
        hints(": still here\n\nretry: 5000\n\n: and still\n\n").await,
        [Heard::Reconnect(Duration::from_secs(5))]
    );
}

#[tokio::test]
async fn a_server_without_such_a_stream_tells_nothing() {
    let page = Answer::json(200, r#"{"items":[]}"#);
    let statuses = [204, 404, 405, 406, 410, 501].map(Answer::status);
    for answer in statuses.into_iter().chain([page]) {
        let server = Server::saying(answer).await;
        assert!(remote(&server).changes(ANYTHING).await.unwrap().is_none());
    }
}

/// Of a network that wants somebody to log in, say: the stream may be there a minute later.
#[tokio::test]
async fn a_web_page_in_place_of_a_stream_is_no_answer() {
    let page = Answer::status(200).header("Content-Type", "text/html; charset=utf-8").body("<!doctype html>");
    let server = Server::saying(page).await;
    let error = remote(&server).changes(ANYTHING).await.err().unwrap();
    assert!(matches!(error, RemoteError::Protocol { .. }), "{error}");
}

#[tokio::test]
async fn other_answers_are_errors_of_their_class() {
    let class = async |answer: Answer| {
        let server = Server::saying(answer).await;
        remote(&server).changes(ANYTHING).await.err().unwrap()
    };
    assert!(matches!(class(Answer::status(401)).await, RemoteError::Unauthorized { .. }));
    assert!(matches!(class(Answer::status(500)).await, RemoteError::Transient { .. }));
    let throttled = class(Answer::status(503).header("Retry-After", "9")).await;
    assert_eq!(throttled.retry_after(), Some(Duration::from_secs(9)));
}

#[tokio::test]
async fn an_event_that_never_ends_is_given_up() {
    let server = Server::saying(events("data: milk and butter, bread and eggs\n").endless()).await;
    let mut changes = remote(&server).changes(ANYTHING).await.unwrap().unwrap();
    let error = changes.next().await.unwrap().unwrap_err();
    assert!(told(&error).contains("larger than 65536 bytes"), "{}", told(&error));
    assert!(*server.written.borrow() < 8 << 20, "it hung up");
}

#[tokio::test]
async fn small_events_may_go_on_for_ever() {
    let server = Server::saying(events("data: x\n\n").endless()).await;
    let changes = remote(&server).changes(ANYTHING).await.unwrap().unwrap();
    let hints: Vec<_> = changes.take(50_000).collect().await;
    assert!(hints.iter().all(Result::is_ok));
}

#[tokio::test]
async fn a_connection_on_which_nothing_comes_counts_as_lost() {
    let server = Server::saying(events("data: x\n\n").stalling_short_of(1000)).await;
    let remote =
        RestRemote::builder(server.url()).changes_timeout(Duration::from_millis(20)).build().unwrap();
    let mut changes = remote.changes(ANYTHING).await.unwrap().unwrap();
    assert!(changes.next().await.unwrap().is_ok());
    let error = changes.next().await.unwrap().unwrap_err();
    assert!(matches!(error, RemoteError::Unreachable { .. }), "{error:?}");
    assert!(told(&error).contains("nothing was heard for 20ms"), "{}", told(&error));
}

#[tokio::test]
async fn a_stream_that_breaks_off_is_an_error_and_one_that_ends_is_none() {
    let all = heard(events("data: x\n\n").cut_short_of(1000)).await;
    assert_eq!(all[0].as_ref().unwrap(), &hint(None, Changed::Anything));
    assert!(matches!(all[1], Err(RemoteError::Unreachable { .. })), "{all:?}");
    assert_eq!(hints("data: x\n\n").await.len(), 1);
}

#[tokio::test]
async fn a_server_that_tells_nothing_can_be_asked_from_time_to_time() {
    tokio::time::pause();
    let dialect =
        Dialect { live: LiveDialect::Poll { every: Duration::from_secs(30) }, ..Dialect::default() };
    let remote = RestRemote::builder("http://127.0.0.1:9").dialect(dialect).build().unwrap();
    let began = tokio::time::Instant::now();
    let changes = remote.changes(ANYTHING).await.unwrap().unwrap();
    let hints: Vec<_> = changes.take(3).map(Result::unwrap).collect().await;
    assert_eq!(hints, [(); 3].map(|()| hint(None, Changed::Anything)));
    assert_eq!(began.elapsed().as_secs(), 90);
}

fn long_polling(server: &Server) -> RestRemote {
    let dialect = Dialect { live: LiveDialect::LongPoll(Box::default()), ..Dialect::default() };
    RestRemote::builder(server.url()).dialect(dialect).build().unwrap()
}

#[tokio::test]
async fn a_long_poll_goes_on_where_the_one_before_ended() {
    let server = Server::saying_in_turn(vec![
        Answer::json(
            200,
            r#"{"results":[{"seq":3,"id":"a","changes":[{"rev":"1-x"}]},
                           {"seq":4,"id":"b","changes":[{"rev":"2-y"}],"deleted":true}],"last_seq":4}"#,
        ),
        Answer::json(200, r#"{"results":[{"seq":"5-z"}],"last_seq":"5-z","pending":0}"#),
        Answer::nothing(),
    ])
    .await;
    let changes = long_polling(&server).changes(ANYTHING).await.unwrap().unwrap();
    let hints: Vec<_> = changes.take(3).map(Result::unwrap).collect().await;
    let deleted = Changed::Deleted { key: key("b") };
    assert_eq!(
        hints,
        [hint(Some("4"), record("a", "1-x")), hint(Some("4"), deleted), hint(Some("5-z"), Changed::Anything)]
    );
    let targets: Vec<_> = server.seen().into_iter().take(2).map(|seen| seen.target).collect();
    assert_eq!(
        targets,
        [
            "/notes/_changes?feed=longpoll&timeout=30000&limit=1000&since=now",
            "/notes/_changes?feed=longpoll&timeout=30000&limit=1000&since=4"
        ]
    );
}

#[tokio::test]
async fn a_long_poll_that_tells_of_very_many_records_says_that_something_changed() {
    let told = |count: usize, last: u8| {
        let items = vec![r#"{"id":"a","changes":[{"rev":"1-x"}]}"#; count].join(",");
        Answer::json(200, format!(r#"{{"results":[{items}],"last_seq":{last}}}"#))
    };
    let server = Server::saying_in_turn(vec![told(257, 4), told(256, 5), Answer::nothing()]).await;
    let changes = long_polling(&server).changes(ANYTHING).await.unwrap().unwrap();
    let hints: Vec<_> = changes.take(257).map(Result::unwrap).collect().await;
    assert_eq!(hints[0], hint(Some("4"), Changed::Anything));
    assert_eq!(hints[1..], vec![hint(Some("5"), record("a", "1-x")); 256]);
    assert!(server.seen()[1].target.ends_with("since=4"), "it goes on behind them: {:?}", server.seen());
}

#[tokio::test]
async fn a_long_poll_goes_on_after_a_lost_connection() {
    let server = Server::saying(Answer::json(200, r#"{"results":[{}],"last_seq":8}"#)).await;
    let after = Some(EventId::new("7"));
    let changes = long_polling(&server).changes(ListenRequest { entity: &NOTES, after }).await;
    drop(changes.unwrap().unwrap().next().await);
    assert!(server.seen()[0].target.ends_with("since=7"), "{:?}", server.seen());
}

#[tokio::test]
async fn a_long_poll_that_leads_no_further_is_asked_again_after_a_pause() {
    const PAUSE: Duration = Duration::from_millis(200);
    let told = r#"{"results":[{"id":"a","changes":[{"rev":"1-x"}]}],"last_seq":8}"#;
    let silent = r#"{"results":[],"last_seq":8}"#;
    // The second one says to ask from the same place on, whatever else it tells.
    for (answers, hints) in [([told, told, told], 3), ([silent, silent, told], 1)] {
        let server = Server::saying_in_turn(answers.map(|body| Answer::json(200, body)).into()).await;
        let poll = LongPollDialect { pause: PAUSE, ..LongPollDialect::default() };
        let dialect = Dialect { live: LiveDialect::LongPoll(Box::new(poll)), ..Dialect::default() };
        let remote = RestRemote::builder(server.url()).dialect(dialect).build().unwrap();
        let changes = remote.changes(ANYTHING).await.unwrap().unwrap();
        let began = std::time::Instant::now();
        let heard: Vec<_> = changes.take(hints).map(Result::unwrap).collect().await;
        assert!(began.elapsed() >= PAUSE, "{:?}", began.elapsed());
        assert_eq!(heard, vec![hint(Some("8"), record("a", "1-x")); hints]);
    }
}

#[tokio::test]
async fn a_long_poll_that_is_answered_with_something_else_ends_the_stream() {
    for (answer, expected) in [
        (Answer::json(200, "[]"), "the cursor `last_seq` and the list `results`"),
        (Answer::json(200, r#"{"last_seq":1}"#), "the cursor `last_seq` and the list `results`"),
        (Answer::status(404), "status 404"),
    ] {
        let server = Server::saying(answer).await;
        let changes = long_polling(&server).changes(ANYTHING).await.unwrap().unwrap();
        let all: Vec<_> = changes.collect().await;
        assert_eq!(all.len(), 1);
        let error = all[0].as_ref().unwrap_err();
        assert!(told(error).contains(expected), "{}", told(error));
    }
}

#[tokio::test]
async fn a_dialect_can_say_that_nothing_is_told() {
    let server = Server::saying(events("data: x\n\n")).await;
    let dialect = Dialect { live: LiveDialect::Nothing, ..Dialect::default() };
    let remote = RestRemote::builder(server.url()).dialect(dialect).build().unwrap();
    assert!(remote.changes(ANYTHING).await.unwrap().is_none());
    assert_eq!(server.seen().len(), 0);
}

#[test]
fn a_dialect_that_makes_no_sense_is_refused() {
    let refused = [
        LiveDialect::Poll { every: Duration::ZERO },
        LiveDialect::LongPoll(Box::new(LongPollDialect { path: "/x".into(), ..LongPollDialect::default() })),
        LiveDialect::LongPoll(Box::new(LongPollDialect {
            pause: Duration::ZERO,
            ..LongPollDialect::default()
        })),
        LiveDialect::LongPoll(Box::new(LongPollDialect {
            list_member: "last_seq".into(),
            ..LongPollDialect::default()
        })),
        LiveDialect::ServerSentEvents { path: String::new() },
        LiveDialect::ServerSentEvents { path: "/changes".to_owned() },
    ];
    for live in refused {
        let dialect = Dialect { live, ..Dialect::default() };
        let error = RestRemote::builder("http://127.0.0.1:9").dialect(dialect).build().unwrap_err();
        assert!(error.to_string().contains("live."), "{error}");
    }
}
