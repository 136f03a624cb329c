//! What an endpoint may look like.

/// Says what is wrong with an endpoint, and what to write.
pub(super) fn mistake(endpoint: &str) -> Option<String> {
    let base = "the base URL belongs to the remote, the endpoint is the path below it";
    let trimmed = endpoint.trim_matches('/');
    Some(if trimmed.is_empty() {
        "the endpoint is empty: write the path of the collection, such as \"/notes\"".to_owned()
    } else if endpoint.contains("://") {
        format!("the endpoint is a whole URL: {base}, such as \"/notes\"")
    } else if !endpoint.starts_with('/') {
        format!("the endpoint has to start with `/`: write \"/{trimmed}\"")
    } else if let Some(sign) = endpoint.chars().find(|sign| matches!(sign, '?' | '#')) {
        let path = endpoint.split(sign).next().unwrap_or_default();
        format!("the endpoint is a path and has no `{sign}`: write \"{path}\"")
    } else if endpoint.split('/').any(|segment| matches!(segment, "." | "..")) {
        format!(
            "the endpoint leads elsewhere with `.` or `..`: write the path without steps, such as \"/{}\"",
            plain(trimmed)
        )
    } else if endpoint.ends_with('/') {
        format!("the endpoint ends with `/`, to which ids would be added: write \"/{trimmed}\"")
    } else if endpoint.contains("//") {
        format!("the endpoint has an empty part: write \"/{}\"", parts(trimmed).join("/"))
    } else if endpoint.contains(|sign: char| sign.is_whitespace() || sign.is_control()) {
        "the endpoint has white space in it: write it percent-encoded, as %20, or choose another path"
            .to_owned()
    } else if let Some(collection) = without_places(trimmed) {
        format!(
            "the endpoint has a placeholder in it, and nothing fills one: it is the path of the collection, below which the engine adds \
             each id, such as \"/{collection}\""
        )
    } else if endpoint.contains('\\') {
        format!("the endpoint has a `\\` in it: write \"{}\"", endpoint.replace('\\', "/"))
    } else {
        return None;
    })
}

/// The path before its first placeholder, as routers write them, if there is one: `{id}` or `:id`.
fn without_places(path: &str) -> Option<String> {
    let is_place = |part: &&str| part.starts_with(':') || part.contains(['{', '}']);
    let parts = parts(path);
    let place = parts.iter().position(is_place)?;
    Some(if place == 0 { "notes".to_owned() } else { parts[..place].join("/") })
}

/// The path without steps to another folder.
fn plain(path: &str) -> String {
    let mut plain: Vec<&str> = Vec::new();
    for part in parts(path) {
        match part {
            "." => {}
            ".." => drop(plain.pop()),
            part => plain.push(part),
        }
    }
    plain.join("/")
}

fn parts(path: &str) -> Vec<&str> {
    path.split('/').filter(|part| !part.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::mistake;

    #[test]
    fn a_path_below_the_base_is_an_endpoint() {
        for endpoint in ["/notes", "/v1/notes", "/no-tes_2/%20x", "/a.b", "/a:b", "/notes:all"] {
            assert_eq!(mistake(endpoint), None, "{endpoint}");
        }
    }

    #[test]
    fn every_mistake_says_what_to_write() {
        for (endpoint, advice) in [
            ("notes", "write \"/notes\""),
            ("/notes/", "write \"/notes\""),
            ("/notes?x=1", "write \"/notes\""),
            ("/notes#x", "write \"/notes\""),
            ("/a//b", "write \"/a/b\""),
            ("/../notes", "such as \"/notes\""),
            ("/v1/../v2/./notes", "such as \"/v2/notes\""),
            ("/a\\b", "write \"/a/b\""),
            ("https://x/notes", "such as \"/notes\""),
            ("", "such as \"/notes\""),
            ("/my notes", "%20"),
            ("/v1/notes/{id}", "such as \"/v1/notes\""),
            ("/notes/:id/lines", "such as \"/notes\""),
            ("/{tenant}/notes", "such as \"/notes\""),
            ("/notes}", "such as \"/notes\""),
        ] {
            assert!(mistake(endpoint).is_some_and(|told| told.contains(advice)), "{endpoint}");
        }
    }
}
