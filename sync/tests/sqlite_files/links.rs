//! Links, such as one to a disk that is not always there.
#![cfg(unix)]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use sync::storage::{SqliteStorage, StorageError};

use crate::{contents, folder, known, note, refused, run, written};

#[test]
fn a_link_that_leads_nowhere_is_refused_and_stays_a_link() {
    let folder = folder();
    let (link, disk) = (folder.path().join("app.db"), folder.path().join("disk"));
    symlink(disk.join("app.db"), &link).expect("a link can be made");
    let link_to_it = folder.path().join("link.db");
    symlink("app.db", &link_to_it).expect("a link can be made");
    for path in [&link, &link_to_it] {
        refused(folder.path(), path, |error| {
            let told = error.to_string();
            matches!(error, StorageError::Open { path: named, .. } if named == path)
                && told.contains("leads to")
                && told.contains(&*disk.to_string_lossy())
                && told.contains("mounted")
        });
        assert!(fs::symlink_metadata(path).expect("it is there").is_symlink());
    }
}

#[tokio::test]
async fn a_link_into_a_folder_that_is_there_makes_the_file_where_it_leads() {
    let folder = folder();
    let disk = folder.path().join("disk");
    fs::create_dir(&disk).expect("a folder can be made");
    for (number, target) in [disk.join("absolute.db"), PathBuf::from("disk/relative.db")].iter().enumerate() {
        let links = folder.path().join(format!("links {number}"));
        fs::create_dir(&links).expect("a folder can be made");
        symlink(target, folder.path().join(format!("{number}.db"))).expect("a link can be made");
        let link = links.join("app.db");
        symlink(format!("../{number}.db"), &link).expect("a link can be made");
        written(&link, 1).await;
        let made = folder.path().join(target);
        assert!(fs::symlink_metadata(&made).expect("it is where it belongs").is_file());
        assert!(fs::symlink_metadata(&link).expect("it is there").is_symlink());
        assert!(Path::new(&format!("{}-lock", made.display())).exists());
        assert_eq!(contents(&links).len(), 1, "nothing is beside the link");
        let storage = SqliteStorage::open(&link).expect("it can be opened");
        let under_its_own_name = SqliteStorage::open(&made);
        assert!(matches!(under_its_own_name, Err(StorageError::Locked { .. })), "{under_its_own_name:?}");
        assert_eq!(
            run(&storage, |tx| tx.record(&note("0"))).await.expect("it can be read"),
            Some(known("1"))
        );
    }
}
