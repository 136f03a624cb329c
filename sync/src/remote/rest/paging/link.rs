//! The header `Link`.

use reqwest::header::{HeaderMap, LINK};

/// The address that the header `Link` names for the next page (RFC 8288, section 3).
pub(in crate::remote::rest) fn next_link(headers: &HeaderMap) -> Option<String> {
    let texts = headers.get_all(LINK).iter().filter_map(|value| value.to_str().ok());
    texts.flat_map(links).find_map(|(address, rel)| {
        rel.split_ascii_whitespace().any(|rel| rel.eq_ignore_ascii_case("next")).then(|| address.to_owned())
    })
}

/// The addresses of a `Link` header with their relations. What is no link is skipped.
fn links(text: &str) -> Vec<(&str, String)> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once('<') {
        let Some((address, after)) = after.split_once('>') else { break };
        let (mut parameters, more) = cut(after, b',');
        rest = more;
        while !parameters.is_empty() {
            let (parameter, others) = cut(parameters, b';');
            parameters = others;
            if let Some((name, value)) = parameter.split_once('=')
                && name.trim().eq_ignore_ascii_case("rel")
            {
                found.push((address, value.trim().trim_matches('"').to_owned()));
            }
        }
    }
    found
}

/// Cuts a text at a mark that stands in no quotes.
fn cut(text: &str, mark: u8) -> (&str, &str) {
    let mut quoted = false;
    let end = text.bytes().position(|byte| {
        quoted ^= byte == b'"';
        byte == mark && !quoted
    });
    end.map_or((text, ""), |end| (&text[..end], &text[end + 1..]))
}

#[cfg(test)]
mod tests {
    use reqwest::header::{HeaderMap, HeaderValue, LINK};

    use super::next_link;

    #[test]
    fn the_next_page_is_found_among_links() {
        for (text, expected) in [
            (r#"<http://x/a?p=2>; rel="next""#, Some("http://x/a?p=2")),
            (r#"<http://x/1>; rel="first", <http://x/2>; rel="prev", </a?p=3>; rel="next""#, Some("/a?p=3")),
            (r#"<http://x/a,b>; title="a, <b>; rel=next"; rel=last, <c>; REL=Next"#, Some("c")),
            (r#"<http://x/2>; rel="last next""#, Some("http://x/2")),
            (r#"<http://x/1>; rel="first""#, None),
            ("nonsense", None),
            ("<unclosed", None),
        ] {
            let headers = HeaderMap::from_iter([(LINK, HeaderValue::from_static(text))]);
            assert_eq!(next_link(&headers).as_deref(), expected, "{text}");
        }
    }
}
