//! Bodies that do not end, that grow, or that break off.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use sync::{RemoteError, SyncError};

use super::server::{Act, answer};
use super::story::{LIMIT, Story, Turn};

const CHUNKED: &str =
    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";

/// What the sockets and the buffers of both sides hold beside what was read.
const IN_BETWEEN: usize = 16 * 1024 * 1024;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_drips_for_ever_is_given_up_in_time() {
    let turn = Turn::mine().await;
    let story = Story::of(&turn, |_| Act::Drip(CHUNKED.into(), b"1\r\n \r\n".to_vec())).await;
    let error = story.flush_error().await;
    let SyncError::Push { source: RemoteError::Unreachable { url, reason, .. }, .. } = &*error else {
        panic!("{error:?}")
    };
    assert!(url.contains("/notes") && reason.contains("2s"), "{error}");
    story.ends_well().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_without_end_is_read_up_to_the_limit_and_no_further() {
    let turn = Turn::mine().await;
    let chunk = [b"10000\r\n".as_slice(), &vec![b' '; 0x10000], b"\r\n"].concat();
    let story = Story::of(&turn, move |_| Act::Flood(CHUNKED.into(), chunk.clone())).await;
    for error in [story.flush_error().await, story.pull_error().await] {
        assert_protocol(&error, "larger than 1048576 bytes");
    }
    let written = story.server.written();
    assert!(written < 2 * (LIMIT + IN_BETWEEN), "the sockets took {written} bytes");
    assert!(story.memory() < 4 * LIMIT, "{} bytes", story.memory());
    story.ends_well().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gzip_bomb_is_defused_at_the_limit_of_what_comes_out() {
    let turn = Turn::mine().await;
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    for _ in 0..200 {
        encoder.write_all(&vec![b' '; 1024 * 1024]).unwrap();
    }
    let bomb = encoder.finish().unwrap();
    assert!(bomb.len() < LIMIT, "it looks harmless");
    let bomb = answer(200, "Content-Type: application/json\r\nContent-Encoding: gzip\r\n", bomb);
    let story = Story::of(&turn, move |_| Act::Say(bomb.clone())).await;
    for error in [story.flush_error().await, story.pull_error().await] {
        assert_protocol(&error, "larger than 1048576 bytes");
    }
    assert!(story.memory() < 6 * LIMIT, "{} bytes", story.memory());
    story.ends_well().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_with_a_body_without_end_is_still_bounded() {
    let turn = Turn::mine().await;
    let head = "HTTP/1.1 500 Oops\r\nTransfer-Encoding: chunked\r\n\r\n";
    let chunk = [b"10000\r\n".as_slice(), &vec![b'x'; 0x10000], b"\r\n"].concat();
    let story = Story::of(&turn, move |_| Act::Flood(head.into(), chunk.clone())).await;
    let error = story.flush_error().await;
    assert!(
        matches!(&*error, SyncError::Push { source: RemoteError::Transient { status: 500, .. }, .. }),
        "{error:?}"
    );
    let written = story.server.written();
    assert!(written < LIMIT + IN_BETWEEN, "the socket took {written} bytes");
    story.ends_well().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_reset_in_the_middle_of_a_body_is_no_answer() {
    let turn = Turn::mine().await;
    let half = format!("{CHUNKED}1000\r\n{{\"items\":[");
    let story = Story::of(&turn, move |_| Act::Reset(half.clone().into())).await;
    for error in [story.flush_error().await, story.pull_error().await] {
        let (SyncError::Push { source, .. } | SyncError::Pull { source, .. }) = &*error else {
            panic!("{error:?}")
        };
        assert!(matches!(source, RemoteError::Unreachable { .. }), "{error:?}");
    }
    story.ends_well().await;
}

fn assert_protocol(error: &SyncError, told: &str) {
    let (SyncError::Push { source, .. } | SyncError::Pull { source, .. }) = error else {
        panic!("{error:?}")
    };
    assert!(matches!(source, RemoteError::Protocol { .. }), "{error:?}");
    assert!(source.url().contains("/notes") && error.to_string().contains(told), "{error}");
}
