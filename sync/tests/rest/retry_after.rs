//! How long the server wants to be left alone.

use std::time::{Duration, SystemTime};

use sync::record::Write;
use sync::{Dialect, Remote, RestRemote};

use super::given::{NOTES, create, key, page_after, page_of, remote, send};
use super::server::{Answer, Server};

async fn pause(answer: Answer) -> Option<Duration> {
    let server = Server::saying(answer).await;
    send(&server, create()).await.unwrap_err().retry_after()
}

fn busy(retry_after: &str) -> Answer {
    Answer::status(503).header("Retry-After", retry_after)
}

const NOW: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

#[tokio::test]
async fn seconds_are_read() {
    assert_eq!(pause(busy("120")).await, Some(Duration::from_secs(120)));
}

#[tokio::test]
async fn a_date_is_compared_with_the_servers_own_clock() {
    let answer = busy("Sun, 06 Nov 1994 08:51:37 GMT").header("Date", NOW);
    assert_eq!(pause(answer).await, Some(Duration::from_secs(120)));
}

#[tokio::test]
async fn without_the_servers_clock_a_date_is_compared_with_this_machines() {
    let in_ten_minutes = SystemTime::now() + Duration::from_secs(600);
    let pause = pause(busy(&httpdate::fmt_http_date(in_ten_minutes))).await.unwrap();
    assert!(pause > Duration::from_secs(500) && pause <= Duration::from_secs(600), "{pause:?}");
}

#[tokio::test]
async fn a_century_is_cut_to_an_hour() {
    let an_hour = Some(Duration::from_secs(3600));
    assert_eq!(pause(busy("3153600000")).await, an_hour);
    assert_eq!(pause(busy("99999999999999999999999999999999")).await, an_hour);
    assert_eq!(pause(busy("Sat, 06 Nov 2094 08:49:37 GMT").header("Date", NOW)).await, an_hour);
}

#[tokio::test]
async fn what_is_no_pause_leaves_the_retry_to_its_own_back_off() {
    for text in ["0", "", "soon", "-5", "1.5", "Sun, 06 Nov 1994 08:49:00 GMT", NOW] {
        assert_eq!(pause(busy(text).header("Date", NOW)).await, None, "{text}");
    }
}

#[tokio::test]
async fn it_is_heard_on_every_failure() {
    // 401 with the same token, 304 as an answer of no use.
    for status in [408, 429, 500, 502, 503, 504, 403, 422, 401, 304] {
        let answer = Answer::status(status).header("Retry-After", "5");
        assert_eq!(pause(answer).await, Some(Duration::from_secs(5)), "{status}");
    }
}

#[tokio::test]
async fn it_is_heard_on_a_success_of_no_use() {
    let html = Answer::status(200).header("Content-Type", "text/html").body("<html>");
    assert_eq!(pause(html.header("Retry-After", "5")).await, Some(Duration::from_secs(5)));
}

#[tokio::test]
async fn it_is_heard_on_successes_and_conflicts_too() {
    let five = Some(Duration::from_secs(5));
    let server = Server::scripted(|seen, _| {
        let answer = match &*seen.method {
            "POST" => Answer::status(201),
            "DELETE" => Answer::status(409),
            _ if seen.target == "/notes/n1" => Answer::status(404),
            _ => Answer::json(200, r#"{"items":[]}"#),
        };
        answer.header("Retry-After", "5")
    })
    .await;
    assert_eq!(send(&server, create()).await.unwrap().retry_after, five);
    assert_eq!(send(&server, Write::Delete).await.unwrap().retry_after, five);
    assert_eq!(remote(&server).pull(page_of(5)).await.unwrap().retry_after, five);
    assert_eq!(remote(&server).fetch(&NOTES, &key("n1")).await.unwrap().retry_after, five);
}

#[tokio::test]
async fn a_back_off_is_asked_for_also_by_a_header_of_its_own_and_on_a_success() {
    let server = Server::saying(Answer::status(201).header("Backoff", "30")).await;
    let reply = send(&server, create()).await.unwrap();
    assert_eq!(reply.retry_after, Some(Duration::from_secs(30)));
    let both = Answer::status(503).header("Backoff", "30").header("Retry-After", "10");
    assert_eq!(pause(both).await, Some(Duration::from_secs(30)), "the longer one");
}

/// What a record's absence leads to is asked all the same.
#[tokio::test]
async fn it_is_heard_when_the_collection_is_asked_for() {
    for (list, is_there) in [(Answer::json(200, r#"{"items":[]}"#), true), (Answer::status(404), false)] {
        let list = list.header("Retry-After", "60");
        let server = Server::scripted(move |seen, _| {
            if seen.target.starts_with("/notes?") { list.clone() } else { Answer::status(404) }
        })
        .await;
        let minute = Some(Duration::from_secs(60));
        let wishes = [
            send(&server, Write::Delete)
                .await
                .map_or_else(|error| error.retry_after(), |reply| reply.retry_after),
            remote(&server)
                .fetch(&NOTES, &key("n1"))
                .await
                .map_or_else(|error| error.retry_after(), |reply| reply.retry_after),
            send(&server, create()).await.unwrap_err().retry_after(),
        ];
        assert_eq!(wishes, [minute; 3], "{is_there}");
    }
}

#[tokio::test]
async fn a_page_waits_too_when_it_is_asked_for_before_it_what_the_newest_cursor_is() {
    let server = Server::scripted(|seen, _| match &*seen.target {
        "/notes" => Answer::json(200, r#"{"update_seq":7}"#).header("Retry-After", "60"),
        _ => Answer::json(200, r#"{"results":[],"last_seq":7}"#),
    })
    .await;
    let remote = RestRemote::builder(server.url()).dialect(Dialect::couchdb()).build().unwrap();
    let error = remote.pull(page_after("7")).await.unwrap_err();
    assert_eq!(error.retry_after(), Some(Duration::from_secs(60)));
    assert_eq!(server.seen().len(), 1);
    remote.pull(page_after("7")).await.unwrap();
    assert_eq!(server.seen().len(), 2, "once the pause is over, the page comes next");
    remote.pull(page_after("7")).await.unwrap_err();
    assert_eq!(server.seen()[2].target, "/notes");
}
