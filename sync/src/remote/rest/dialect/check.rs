//! What a dialect cannot be: names that are missing, placeholders that nobody fills, and settings that contradict each other.

use std::collections::HashMap;

use reqwest::header::{HeaderName, HeaderValue};
use serde::de::IgnoredAny;

use super::{
    AnsweredBody, BatchDialect, BatchOutcomes, CursorSource, DeletionDialect, Dialect, MemberPath, Paging,
    Parameters, PullDialect, SentBody, Template, Tombstone, VersionCheck, VersionSource, WriteDialect,
};
use crate::remote::rest::error::RestError;
use crate::remote::rest::sent_body;

/// What is wrong, for people.
pub(super) type Check = Result<(), String>;

const RECORD_PLACES: &[&str] = &["endpoint", "id", "id_member"];
const PULL_PLACES: &[&str] = &["endpoint", "limit", "updated_at", "id_member"];
const SCOPE_PLACES: &[&str] = &["field", "value", "json"];
const SINCE_PLACES: &[&str] = &["endpoint", "limit", "updated_at", "id_member", "cursor", "last_id"];

impl Dialect {
    /// Says what is wrong with it, if anything is.
    pub(in crate::remote::rest) fn check(&self) -> Result<(), RestError> {
        self.checked().map_err(|reason| RestError::Dialect { reason })
    }

    fn checked(&self) -> Check {
        let Self {
            unauthorized,
            record,
            fetch,
            create,
            update,
            overwrite,
            delete,
            conflict: _,
            pull,
            deletions,
            batch,
            live,
        } = self;
        if let Some(status) = unauthorized.iter().find(|status| !(400..500).contains(*status)) {
            return Err(format!("`unauthorized`: {status} refuses nothing to a client, as 400 to 499 do"));
        }
        if !unauthorized.contains(&401) {
            return Err(
                "`unauthorized` lacks 401: list it beside the others, such as `[401, 403]`".to_owned()
            );
        }
        let version = record.version.member();
        distinct(&[
            ("record.id_member", Some(&*record.id_member)),
            ("record.tombstone", record.tombstone.member()),
            ("record.version", version),
        ])?;
        one_record("fetch", &fetch.path, &fetch.parameters)?;
        statuses("fetch.missing", &fetch.missing)?;
        if let VersionSource::Header(name) = &record.version {
            header("record.version", name)?;
        }
        for (verb, write) in
            [("create", create), ("update", update), ("overwrite", overwrite), ("delete", delete)]
        {
            write.check(verb, &record.version)?;
        }
        for (verb, write) in [("update", update), ("overwrite", overwrite), ("delete", delete)] {
            one_record(verb, &write.path, &write.parameters)?;
        }
        pull.check()?;
        batch.check(&[("update", update), ("overwrite", overwrite)])?;
        match (deletions, &record.tombstone) {
            (DeletionDialect::Told, Tombstone::Nothing) => Err(
                "`record.tombstone` says that the server shows no deletions, and `deletions` that it tells them: write `DeletionDialect::Listed { every }` or `Never`"
                    .to_owned(),
            ),
            (DeletionDialect::Listed { every }, _) if every.is_zero() => {
                Err("`deletions.every` is zero: everything would be listed all the time".to_owned())
            }
            _ => live.check(),
        }
    }
}

impl WriteDialect {
    fn check(&self, verb: &str, source: &VersionSource) -> Check {
        path(&format!("{verb}.path"), &self.path, &["endpoint", "id"])?;
        parameters(&format!("{verb}.parameters"), &self.parameters, RECORD_PLACES)?;
        for (name, value) in &self.headers {
            self.check_header(verb, name, value)?;
        }
        let lists = [
            ("done", &self.done),
            ("compared", &self.compared),
            ("unproven", &self.unproven),
            ("conflict", &self.conflict),
            ("missing", &self.missing),
            ("unavailable", &self.unavailable),
        ];
        let mut meanings = HashMap::new();
        for (list, all) in lists {
            statuses(&format!("{verb}.{list}"), all)?;
            for status in all {
                if let Some(other) = meanings.insert(status, list)
                    && other != list
                {
                    return Err(format!("the status {status} is in `{verb}.{other}` and in `{verb}.{list}`"));
                }
            }
        }
        let successes = [&self.done, &self.compared, &self.unproven];
        if let Some(status) = successes.into_iter().flatten().find(|status| !(200..300).contains(*status)) {
            return Err(format!("{verb}: the status {status} is no success, which are 200 to 299"));
        }
        if successes.into_iter().all(Vec::is_empty) {
            return Err(format!("{verb}: no status is a success, so that it would be sent for ever"));
        }
        self.check_version(verb, source)?;
        match (&self.body, verb) {
            (SentBody::Record | SentBody::MergePatch, "delete") => {
                Err("delete.body: there is no record to send; write `SentBody::Nothing` or `Json(…)`"
                    .to_owned())
            }
            (SentBody::MergePatch, "create") => {
                Err("create.body: a new record has nothing to be patched; write `SentBody::Record`"
                    .to_owned())
            }
            (SentBody::Nothing | SentBody::Json(_), "create" | "update" | "overwrite") => {
                Err(format!("{verb}.body: the record would not be sent; write `SentBody::Record`"))
            }
            (SentBody::Json(text), _) => match serde_json::from_str::<IgnoredAny>(text) {
                Ok(_) => Ok(()),
                Err(error) => Err(format!("{verb}.body is no JSON: {error}")),
            },
            _ => Ok(()),
        }
    }

    /// Whether an edit says the same as an item of a list of records, which takes the place of what is there, and has no address, no headers
    /// and no parameters of its own.
    fn check_in_a_list(&self, verb: &str) -> Check {
        if matches!(
            self.check,
            VersionCheck::IfMatch | VersionCheck::Header { .. } | VersionCheck::Parameter { .. }
        ) {
            return Err(format!(
                "`{verb}` has its version outside of the record, so that a `batch` of records would overwrite without it: write `VersionCheck::Member` as its `check`, or leave the `batch` away"
            ));
        }
        if sent_body::merges(self) {
            return Err(format!(
                "`{verb}.method` or `{verb}.body` merges, and a record in a `batch` takes the place of what is there: write `Method::Put` and `SentBody::Record`, or leave the `batch` away"
            ));
        }
        Ok(())
    }

    fn check_header(&self, verb: &str, name: &str, value: &str) -> Check {
        let for_the_version = match &self.check {
            VersionCheck::IfMatch => Some("if-match"),
            VersionCheck::Header { name, .. } => Some(&**name),
            _ => None,
        };
        own_header(&format!("{verb}.headers"), name, value, for_the_version)
    }

    fn check_version(&self, verb: &str, source: &VersionSource) -> Check {
        let receipt = matches!(self.answer, AnsweredBody::Receipt { .. });
        let sends = match &self.check {
            VersionCheck::Nothing | VersionCheck::ReadFirst => false,
            VersionCheck::IfMatch => true,
            VersionCheck::Header { name, value } | VersionCheck::Parameter { name, value } => {
                named(&format!("{verb}.check"), name)?;
                if matches!(self.check, VersionCheck::Header { .. }) {
                    header(&format!("{verb}.check"), name)?;
                }
                template(&format!("{verb}.check"), value, &["version"])?;
                if !value.has("version") {
                    return Err(format!(
                        "{verb}.check: the value `{value}` has no placeholder `{{version}}`"
                    ));
                }
                true
            }
            VersionCheck::Member(name) | VersionCheck::NumberMember(name) => {
                named(&format!("{verb}.check"), name)?;
                if !matches!(self.body, SentBody::Record | SentBody::MergePatch) {
                    return Err(format!(
                        "{verb}.check: the version cannot be a member where no record is sent; write `VersionCheck::Parameter`"
                    ));
                }
                true
            }
        };
        if sends && *source == VersionSource::Nothing {
            return Err(format!(
                "{verb}.check sends a version, and `record.version` says that the server has none: write `VersionCheck::ReadFirst`"
            ));
        }
        if let AnsweredBody::Receipt { version_member } = &self.answer {
            named(&format!("{verb}.answer.version_member"), version_member)?;
        }
        if receipt && !self.compared.is_empty() {
            return Err(format!(
                "{verb}.compared needs the record in the answer, and `{verb}.answer` says that there is none: write `{verb}.unproven`"
            ));
        }
        Ok(())
    }
}

impl PullDialect {
    fn check(&self) -> Check {
        path("pull.path", &self.path, &["endpoint"])?;
        parameters("pull.parameters", &self.parameters, PULL_PLACES)?;
        parameters("pull.first", &self.first, PULL_PLACES)?;
        parameters("pull.since", &self.since, SINCE_PLACES)?;
        statuses("pull.gone", &self.gone)?;
        for (setting, (name, value)) in self.scope.all() {
            let setting = format!("pull.scope.{setting}");
            named(&setting, name.as_str())?;
            template(&setting, name, SCOPE_PLACES)?;
            template(&setting, value, SCOPE_PLACES)?;
            if !name.has("field") && !value.has("field") {
                return Err(format!(
                    "`{setting}` has no placeholder `{{field}}`: the server would not know which one is meant"
                ));
            }
        }
        let values = || self.since.iter().map(|(_, value)| value);
        let sends_cursor = values().any(|value| value.has("cursor"));
        match &self.cursor {
            CursorSource::Nothing if !self.since.is_empty() => {
                return Err(
                    "`pull.since` is never sent, because `pull.cursor` is nothing: make it empty".to_owned()
                );
            }
            CursorSource::Nothing => {}
            _ if !sends_cursor => {
                return Err("`pull.since` has no placeholder `{cursor}`: every pull would get everything; say so with `CursorSource::Nothing`".to_owned());
            }
            CursorSource::Member(path) => {
                self.inside_envelope("pull.cursor", path)?;
                self.beside_the_cursor(path)?;
            }
            CursorSource::Header(name) => header("pull.cursor", name)?,
            CursorSource::LastItem(member) => {
                named("pull.cursor", member.as_str())?;
                template("pull.cursor", member, &["updated_at", "id_member"])?;
            }
        }
        if !matches!(self.cursor, CursorSource::LastItem(_)) && values().any(|value| value.has("last_id")) {
            return Err("`{last_id}` is known with `CursorSource::LastItem` only".to_owned());
        }
        if let (Some(newest), source) = (&self.newest, &self.cursor) {
            path("pull.newest.path", &newest.path, &["endpoint"])?;
            if *source == CursorSource::Nothing {
                return Err(
                    "`pull.newest` has no cursor to compare with: `pull.cursor` is nothing".to_owned()
                );
            }
        }
        self.check_paging()
    }

    fn check_paging(&self) -> Check {
        let sends_limit = self.parameters.iter().any(|(_, value)| value.has("limit"));
        match &self.paging {
            Paging::Cursor { more } => match &self.cursor {
                CursorSource::Nothing | CursorSource::Header(_) => Err(
                    "`pull.paging` goes on by the page's cursor, and the pages have none: name another way, such as `Paging::Link`"
                        .to_owned(),
                ),
                _ if more.is_whole() => Ok(()),
                _ => self.inside_envelope("pull.paging.more", more),
            },
            Paging::Header(name) => header("pull.paging", name),
            Paging::Member(path) => self.inside_envelope("pull.paging", path),
            Paging::Token { member, parameter } => {
                self.inside_envelope("pull.paging.member", member)?;
                self.own_parameter(parameter)
            }
            Paging::Number { parameter, .. } | Paging::Offset { parameter } => {
                // Of one key, a page is full or the last one.
                if !sends_limit && matches!(self.cursor, CursorSource::LastItem(_)) {
                    return Err("`pull.parameters` has no placeholder `{limit}`, so that a full page cannot be told from the last one".to_owned());
                }
                self.own_parameter(parameter)
            }
            Paging::Link | Paging::Whole => Ok(()),
        }
    }

    /// What stands beside the list can only be there when the list is not everything.
    fn inside_envelope(&self, setting: &str, path: &MemberPath) -> Check {
        if path.is_whole() || path.steps().iter().any(String::is_empty) {
            return Err(format!("`{setting}` names no member"));
        }
        let items = self.items.steps();
        if path.steps().starts_with(items) {
            return Err(if items.is_empty() {
                format!("`{setting}` is `{path}`, and `pull.items` says that the answer is a bare list")
            } else {
                format!("`{setting}` is `{path}`, which is inside the list `{}`", self.items)
            });
        }
        if items.starts_with(path.steps()) {
            return Err(format!("`{setting}` is `{path}`, and the list `{}` is inside of it", self.items));
        }
        Ok(())
    }

    /// A member has one meaning, and what is inside of a cursor is a part of it.
    fn beside_the_cursor(&self, cursor: &MemberPath) -> Check {
        let (setting, other) = match &self.paging {
            Paging::Cursor { more } if !more.is_whole() => ("pull.paging.more", more),
            Paging::Member(path) => ("pull.paging", path),
            Paging::Token { member, .. } => ("pull.paging.member", member),
            _ => return Ok(()),
        };
        let (one, two) = (cursor.steps(), other.steps());
        if !one.starts_with(two) && !two.starts_with(one) {
            return Ok(());
        }
        Err(format!(
            "`pull.cursor` is `{cursor}`, and `{setting}` is `{other}`: a member that is both has two meanings; where the cursor is all that goes on, write `Paging::Cursor`"
        ))
    }

    fn own_parameter(&self, parameter: &str) -> Check {
        named("pull.paging.parameter", parameter)?;
        let all = self.parameters.iter().chain(&self.first).chain(&self.since);
        for (name, _) in all {
            if name.as_str() == parameter {
                return Err(format!("the parameter `{parameter}` of `pull.paging` is sent already"));
            }
        }
        Ok(())
    }
}

impl BatchDialect {
    /// `changes`: how edits of records that are there are sent one by one.
    fn check(&self, changes: &[(&str, &WriteDialect)]) -> Check {
        let limit = match self {
            Self::Nothing => return Ok(()),
            Self::Requests(batch) => {
                named("batch.address", &batch.address)?;
                batch.limit
            }
            Self::Records(batch) => {
                path("batch.path", &batch.path, &["endpoint"])?;
                for (name, value) in &batch.headers {
                    own_header("batch.headers", name, value, None)?;
                }
                if let BatchOutcomes::Receipts { .. } = batch.outcomes {
                    changes.iter().try_for_each(|(verb, way)| way.check_in_a_list(verb))?;
                }
                batch.limit
            }
        };
        if limit < 2 { Err("`batch.limit` is less than two: that is no batch".to_owned()) } else { Ok(()) }
    }
}

/// A header that the dialect adds. Those are set by the request itself which tell of it; `besides` is another one of them.
fn own_header(setting: &str, name: &str, value: &str, besides: Option<&str>) -> Check {
    let Ok(parsed) = HeaderName::from_bytes(name.as_bytes()) else {
        return Err(format!("{setting}: `{name}` is not the name of a header"));
    };
    if HeaderValue::from_str(value).is_err() {
        return Err(format!("{setting}: the value of `{name}` cannot be sent"));
    }
    let by_us =
        ["authorization", "content-length", "content-type", "host", "idempotency-key", "transfer-encoding"];
    if by_us.into_iter().chain(besides).any(|taken| taken.eq_ignore_ascii_case(parsed.as_str())) {
        return Err(format!("{setting}: `{name}` is set for each request; remove it"));
    }
    Ok(())
}

/// A request that is about one record has to say which.
fn one_record(verb: &str, path_of: &Template, all: &Parameters) -> Check {
    path(&format!("{verb}.path"), path_of, &["endpoint", "id"])?;
    parameters(&format!("{verb}.parameters"), all, RECORD_PLACES)?;
    if path_of.has("id") || all.iter().any(|(_, value)| value.has("id")) {
        return Ok(());
    }
    Err(format!(
        "{verb}: neither its path nor a parameter has the placeholder `{{id}}`, so that it would be about every record"
    ))
}

fn path(setting: &str, path: &Template, places: &[&str]) -> Check {
    template(setting, path, places)?;
    let text = path.as_str();
    if !text.starts_with("{endpoint}") && !text.starts_with('/') {
        return Err(format!("`{setting}` is `{text}`: it starts with `{{endpoint}}` or `/`"));
    }
    if text.contains(['?', '#']) {
        return Err(format!("`{setting}` is `{text}`: what follows `?` is written as parameters"));
    }
    if text.split('/').any(|step| matches!(step, "." | "..")) {
        return Err(format!("`{setting}` is `{text}`: it leads somewhere else with `.` or `..`"));
    }
    Ok(())
}

fn parameters(setting: &str, all: &Parameters, places: &[&str]) -> Check {
    let mut seen = Vec::new();
    for (name, value) in all {
        named(setting, name.as_str())?;
        template(setting, name, places)?;
        template(setting, value, places)?;
        if seen.contains(&name) {
            return Err(format!("`{setting}` has the parameter `{name}` twice"));
        }
        seen.push(name);
    }
    Ok(())
}

fn template(setting: &str, template: &Template, places: &[&str]) -> Check {
    for place in template.places() {
        match place {
            Err(_) => {
                return Err(format!(
                    "`{setting}` is `{template}`: a brace has no other half; `{{{{` is a brace"
                ));
            }
            Ok(place) if !places.contains(&place) => {
                let known: Vec<_> = places.iter().map(|known| format!("`{{{known}}}`")).collect();
                let known = known.join(", ");
                return Err(format!(
                    "`{setting}` is `{template}`: there is no placeholder `{{{place}}}`; it knows {known}"
                ));
            }
            Ok(_) => {}
        }
    }
    Ok(())
}

fn header(setting: &str, name: &str) -> Check {
    match HeaderName::from_bytes(name.as_bytes()) {
        Ok(_) => Ok(()),
        Err(_) => Err(format!("`{setting}`: `{name}` is not the name of a header")),
    }
}

fn statuses(setting: &str, all: &[u16]) -> Check {
    match all.iter().find(|status| !(200..600).contains(*status)) {
        Some(status) => Err(format!("`{setting}`: {status} is no status of an answer, which are 200 to 599")),
        None => Ok(()),
    }
}

pub(super) fn named(setting: &str, name: &str) -> Check {
    if name.is_empty() { Err(format!("`{setting}` is empty")) } else { Ok(()) }
}

/// Names that stand side by side.
pub(super) fn distinct(names: &[(&str, Option<&str>)]) -> Check {
    let mut seen: Vec<(&str, &str)> = Vec::new();
    for (setting, name) in names.iter().filter_map(|(setting, name)| Some((*setting, (*name)?))) {
        named(setting, name)?;
        if let Some((other, _)) = seen.iter().find(|(_, earlier)| *earlier == name) {
            return Err(format!("`{other}` and `{setting}` are both `{name}`"));
        }
        seen.push((setting, name));
    }
    Ok(())
}
