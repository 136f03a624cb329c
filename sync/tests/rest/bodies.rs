//! Bodies: compressed, too large, cut short, or none of what was asked for.

use std::io::Write as _;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use sync::record::Write;
use sync::remote::{PageItem, Remote, WriteAnswer};
use sync::{RemoteError, RestRemote};

use super::given::{NOTES, answered, create, key, operation, overwrite, page_of, remote, update};
use super::server::{Answer, Server};

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

fn gzipped(body: Vec<u8>) -> Answer {
    Answer::json(200, body).header("Content-Encoding", "gzip")
}

fn limited(server: &Server, bytes: usize) -> RestRemote {
    // The timeout would hide a body that is read on and on.
    RestRemote::builder(server.url())
        .max_response_bytes(bytes)
        .timeout(Duration::from_secs(600))
        .build()
        .unwrap()
}

async fn pull_error(remote: &RestRemote) -> RemoteError {
    remote.pull(page_of(10)).await.unwrap_err()
}

fn assert_too_large(error: &RemoteError) {
    assert!(matches!(error, RemoteError::Protocol { .. }), "{error:?}");
    let text = error.to_string();
    assert!(
        text.contains("larger than") && text.contains("/notes") && text.contains("max_response_bytes"),
        "{text}"
    );
}

#[tokio::test]
async fn gzip_is_asked_for_and_understood() {
    let server = Server::saying(gzipped(gzip(br#"{"items":[{"id":"a"}],"cursor":"c"}"#))).await;
    let page = remote(&server).pull(page_of(10)).await.unwrap().answer;
    assert_eq!(page.items.len(), 1);
    assert_eq!(server.only().header("accept-encoding"), Some("gzip"));
}

#[tokio::test]
async fn a_gzip_bomb_is_refused_at_the_limit_of_what_comes_out() {
    let mut page = br#"{"items":[],"padding":""#.to_vec();
    page.resize(64 * 1024 * 1024, b' ');
    page.extend_from_slice(b"\"}");
    let bomb = gzip(&page);
    assert!(bomb.len() < 200_000);
    let server = Server::saying(gzipped(bomb)).await;
    assert_too_large(&pull_error(&limited(&server, 1024 * 1024)).await);
}

#[tokio::test]
async fn a_body_that_announces_too_much_is_not_read() {
    let server = Server::saying(Answer::json(200, "").stalling_short_of(10_000_000_000)).await;
    assert_too_large(&pull_error(&limited(&server, 16 * 1024 * 1024)).await);
}

#[tokio::test]
async fn a_body_that_never_ends_is_given_up_at_the_limit() {
    let mut server = Server::saying(Answer::json(200, vec![b' '; 64 * 1024]).endless()).await;
    assert_too_large(&pull_error(&limited(&server, 1024 * 1024)).await);
    // What the server got rid of is the limit and what fits into the buffers of the sockets.
    let written = *server.written.borrow_and_update();
    assert!(written < 64 * 1024 * 1024, "{written}");
}

#[tokio::test]
async fn the_limit_is_exact() {
    let body = br#"{"items":[]}"#;
    let server = Server::saying(Answer::json(200, body)).await;
    limited(&server, body.len()).pull(page_of(1)).await.unwrap();
    assert_too_large(&pull_error(&limited(&server, body.len() - 1)).await);
    let server = Server::saying(gzipped(gzip(body))).await;
    limited(&server, body.len()).pull(page_of(1)).await.unwrap();
    assert_too_large(&pull_error(&limited(&server, body.len() - 1)).await);
}

#[tokio::test]
async fn writes_and_single_records_have_the_same_limit() {
    let server =
        Server::saying(Answer::json(200, format!(r#"{{"id":"n1","x":"{}"}}"#, "x".repeat(2000)))).await;
    let remote = limited(&server, 1000);
    assert_too_large(&remote.send(operation(create())).await.unwrap_err());
    assert_too_large(&remote.fetch(&NOTES, &key("n1")).await.unwrap_err());
}

#[tokio::test]
async fn a_body_cut_short_is_no_answer() {
    let truncated = gzip(br#"{"items":[{"id":"a"},{"id":"b"}]}"#);
    let half = truncated[..truncated.len() / 2].to_vec();
    for answer in [
        Answer::json(200, r#"{"items":[]}"#).cut_short_of(100),
        Answer::raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nc\r\n{\"items\":[]}\r\n"),
        gzipped(half),
    ] {
        let server = Server::saying(answer).await;
        let error = pull_error(&remote(&server)).await;
        assert!(matches!(error, RemoteError::Unreachable { .. }), "{error:?}");
    }
}

#[tokio::test]
async fn what_is_not_encoded_as_it_says_is_a_protocol_error() {
    let server = Server::saying(gzipped(br#"{"items":[]}"#.to_vec())).await;
    let error = pull_error(&remote(&server)).await;
    assert!(matches!(error, RemoteError::Protocol { .. }), "{error:?}");
    assert!(error.to_string().contains("encoded"), "{error}");
}

#[tokio::test]
async fn more_items_than_asked_for_are_taken_up_to_a_bound() {
    let list = |count: usize| format!(r#"{{"items":[{}]}}"#, vec![r#"{"id":1}"#; count].join(","));
    let server = Server::saying(Answer::json(200, list(2_000))).await;
    let page = remote(&server).pull(page_of(500)).await.unwrap().answer;
    assert_eq!(page.items.len(), 2_000);
    let server = Server::saying(Answer::json(200, list(1_000_000))).await;
    let error = pull_error(&remote(&server)).await;
    assert!(matches!(error, RemoteError::Protocol { .. }), "{error:?}");
    assert!(error.to_string().contains("more than 262144 items"), "{error}");
}

#[tokio::test]
async fn deep_nesting_costs_no_stack() {
    let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    let levels = 2_000_000;
    let inside_an_item = format!(r#"{{"items":[{{"id":"a","x":{}}}],"cursor":"c"}}"#, deep(levels));
    let server = Server::saying(Answer::json(200, inside_an_item)).await;
    let page = remote(&server).pull(page_of(10)).await.unwrap().answer;
    assert!(matches!(&*page.items, [PageItem::Record { .. }]));
    for body in [deep(levels), "[".repeat(levels), format!(r#"{{"items":{}}}"#, deep(levels))] {
        let server = Server::saying(Answer::json(200, body)).await;
        // The list of the third is sound and has one item, which is no object.
        match remote(&server).pull(page_of(10)).await {
            Ok(reply) => assert!(matches!(&*reply.answer.items, [PageItem::Unreadable { .. }])),
            Err(error) => assert!(matches!(error, RemoteError::Protocol { .. }), "{error:?}"),
        }
        remote(&server).send(operation(create())).await.map(drop).or_else(protocol).unwrap();
        remote(&server).fetch(&NOTES, &key("n1")).await.map(drop).or_else(protocol).unwrap();
    }
}

fn protocol(error: RemoteError) -> Result<(), RemoteError> {
    if matches!(error, RemoteError::Protocol { .. }) { Ok(()) } else { Err(error) }
}

/// It may say that nothing was done, and the version that it names would not be known.
#[tokio::test]
async fn a_success_with_something_else_than_the_record_proves_nothing() {
    for (body, came) in [
        (r#"{"success":false,"message":"quota"}"#, r#"`{"message": …, "success": …}`"#),
        (r#"{"data":{"id":"n1","title":"Milk","version":9}}"#, r#"`{"data": …}`"#),
        (r#"{"id":null,"title":"quota"}"#, r#"`{"id": …, "title": …}`"#),
        (r#"{"a":1,"b":2,"what somebody wrote":3,"d":4}"#, "an object with 4 members"),
        (r#"[{"id":"n1","title":"quota"}]"#, "an array"),
        ("\"quota\"", "a string"),
        ("true", "a boolean"),
        ("7", "a number"),
    ] {
        for (write, status) in [(create(), 200), (create(), 201), (update(), 200), (overwrite(), 201)] {
            let verb = write.verb();
            let server = Server::saying(Answer::json(status, body).header("ETag", "\"9\"")).await;
            let answer = answered(&server, write).await;
            let WriteAnswer::Unclear { reason } = answer else { panic!("{verb}: {answer:?}") };
            for part in [came, "`id`"] {
                assert!(reason.contains(part), "{part} is not in: {reason}");
            }
            assert!(!reason.contains("quota") && !reason.contains("Milk"), "it quotes: {reason}");
        }
        let server = Server::saying(Answer::json(200, body)).await;
        let done = WriteAnswer::Accepted { version: None, body: None };
        assert_eq!(answered(&server, Write::Delete).await, done, "{body}");
    }
}

#[tokio::test]
async fn the_names_that_stand_in_place_of_the_record_are_short() {
    let names: Vec<_> = (0..3).map(|n| format!("\"{n}{}\":1", "x\\u0007".repeat(500))).collect();
    let server = Server::saying(Answer::json(200, format!("{{{}}}", names.join(",")))).await;
    let answer = answered(&server, update()).await;
    let WriteAnswer::Unclear { reason } = answer else { panic!("{answer:?}") };
    assert!(reason.len() < 1500 && !reason.chars().any(char::is_control), "{reason}");
}
