//! The lists of a server with a flaw.

use std::sync::atomic::Ordering;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::flaw::Flaw;
use crate::flawed::Between;

/// The first of January 2026.
const NEW_YEAR: i64 = 1_767_225_600;

pub fn changed_at(version: &str) -> String {
    let seconds = version.parse::<i64>().unwrap();
    DateTime::from_timestamp(NEW_YEAR + seconds, 0).unwrap().to_rfc3339()
}

/// The path of another page than the one that was asked for.
pub fn asked(flaw: Flaw, path: String) -> String {
    let Some((before, rest)) = path.split_once("since=") else { return path };
    let (since, after) = rest.split_once('&').unwrap();
    let since = match flaw {
        // The change with number 7 was made at the seventh second. What was changed at a time is listed with it.
        Flaw::GivesNoCursors => {
            let (_, time) =
                form_urlencoded::parse(format!("since={since}").as_bytes()).into_owned().next().unwrap();
            let seconds = time.parse::<DateTime<Utc>>().unwrap().timestamp() - NEW_YEAR;
            (seconds - 1).to_string()
        }
        Flaw::ListsTheLastAgain => since.parse::<u64>().unwrap().saturating_sub(1).to_string(),
        // What was made of a cursor has its number in it.
        Flaw::CursorsAreTooLong => format!("0{}", since.trim_start_matches('0')),
        Flaw::CursorsAreFractions => since.trim_end_matches(".5").to_owned(),
        Flaw::CursorsMoveByThemselves => since.split('~').next().unwrap().to_owned(),
        _ => return path,
    };
    format!("{before}since={since}&{after}")
}

impl Between {
    /// Another page than the server's.
    pub fn listed(&self, mut page: Value) -> Value {
        let cursor = page["cursor"].as_str().unwrap().to_owned();
        let number = || cursor.parse::<u32>().unwrap();
        match self.flaw {
            Flaw::CursorsAreFractions => page["cursor"] = (f64::from(number()) + 0.5).into(),
            Flaw::CursorsAreTooLong => page["cursor"] = format!("{:05000}", number()).into(),
            Flaw::CursorsAreIntegers => {
                page["cursor"] = number().into();
                page["hasMore"] = Some(true).filter(|_| page["hasMore"] == true).into();
            }
            Flaw::CursorsMoveByThemselves => {
                let count = self.count.fetch_add(1, Ordering::SeqCst);
                page["cursor"] = format!("{cursor}~{count}").into();
            }
            Flaw::TellsWithNumbersWhetherThereIsMore => {
                page["hasMore"] = i32::from(page["hasMore"] == true).into();
            }
            Flaw::HidesTombstones => {
                page["items"].as_array_mut().unwrap().retain(|item| item["deleted"] != true);
            }
            Flaw::MissesWhatIsWrittenMeanwhile => {
                let mut first = true;
                let items = page["items"].as_array_mut().unwrap();
                items.retain(|item| item["title"] != "at once" || !std::mem::take(&mut first));
            }
            _ => page["items"].as_array_mut().unwrap().iter_mut().for_each(|item| self.list_item(item)),
        }
        if self.flaw == Flaw::GivesNoCursors {
            page = json!({ "items": page["items"] });
        }
        page
    }

    /// Another item than the server's.
    fn list_item(&self, item: &mut Value) {
        match self.flaw {
            Flaw::TellsNoVersions | Flaw::ListsNoVersions => {
                item.as_object_mut().unwrap().remove("version");
            }
            Flaw::GivesNoCursors => item["updatedAt"] = changed_at(item["version"].as_str().unwrap()).into(),
            Flaw::ListsOtherVersions => item["version"] = "another".into(),
            Flaw::ListsOnlyIds => {
                item.as_object_mut()
                    .unwrap()
                    .retain(|name, _| ["id", "version", "deleted"].contains(&&**name));
            }
            Flaw::ListsWhatWasCreated if item["deleted"] != true => {
                if let Some(title) = self.created.lock().unwrap().get(item["id"].as_str().unwrap()) {
                    item["title"] = title.clone();
                }
            }
            Flaw::MarksDeletionsWithNumbers => {
                item["deleted"] = i32::from(item["deleted"] == true).into();
            }
            _ => {}
        }
    }
}
