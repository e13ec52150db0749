//! Holds a crate's imports and files to its rooms.

use std::collections::BTreeSet;

use crate::imports::Import;
use crate::sources::Sources;
use crate::table::{ALL_BELOW, Room};

/// The room of a file: the one with the longest name that the path starts with.
/// `None` for a crate root and for a file that no room covers.
#[must_use]
pub fn room_at<'a>(rooms: &'a [Room], file: &str) -> Option<(usize, &'a Room)> {
    let covers = |room: &Room| {
        file.strip_prefix(room.name)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || rest == ".rs")
    };
    let all = rooms.iter().enumerate();
    all.filter(|(_, room)| covers(room))
        .max_by_key(|(_, room)| room.name.len())
}

/// Every import of a room above, or of a room that the importing one may not
/// use, one line each.
#[must_use]
pub fn wrong_imports(folder: &str, imports: &[Import], rooms: &[Room]) -> Vec<String> {
    let mut lines = Vec::new();
    for one in imports {
        let (Some((here, from)), Some((there, to))) =
            (room_at(rooms, &one.from), room_at(rooms, &one.to))
        else {
            continue;
        };
        let fault = if there > here {
            format!("a room above {}", from.name)
        } else if here == there || from.may_use(to.name) {
            continue;
        } else {
            format!("room {}, which {} may not use", to.name, from.name)
        };
        lines.push(format!(
            "{folder}/src/{}:{} imports {} (src/{}), {fault}",
            one.from, one.line, one.path, one.to
        ));
    }
    lines
}

/// Files that stand in no room, and rooms that have no file, one line each.
#[must_use]
pub fn differences(folder: &str, sources: &Sources, rooms: &[Room]) -> Vec<String> {
    let is_root = |file: &str| file == "lib.rs" || file == "main.rs";
    let mut found = BTreeSet::new();
    let mut lines = Vec::new();
    for file in sources.keys().filter(|file| !is_root(file)) {
        match room_at(rooms, file) {
            Some((_, room)) if stands_in(room, file, rooms) => {
                found.insert(room.name);
            }
            _ => lines.push(format!("{folder}/src/{file} stands in no room")),
        }
    }
    for room in rooms.iter().filter(|room| !found.contains(room.name)) {
        lines.push(format!("{folder}/src has no room `{}`", room.name));
    }
    lines
}

/// Of a room that holds rooms, only its own `mod.rs` is its own.
fn stands_in(room: &Room, file: &str, rooms: &[Room]) -> bool {
    let inner = format!("{}/", room.name);
    let holds_rooms = rooms.iter().any(|other| other.name.starts_with(&inner));
    !holds_rooms || file == format!("{inner}mod.rs")
}

/// What is wrong with the table itself: a room that is listed twice, or one
/// that may use a room which is not below it.
#[must_use]
pub fn wrong_table(folder: &str, rooms: &[Room]) -> Vec<String> {
    let mut lines = Vec::new();
    for (place, room) in rooms.iter().enumerate() {
        let below = &rooms[..place];
        if below.iter().any(|other| other.name == room.name) {
            lines.push(format!("{folder}: room `{}` is listed twice", room.name));
        }
        for used in room.uses.iter().filter(|used| **used != ALL_BELOW) {
            if !below.iter().any(|other| other.name == *used) {
                let name = room.name;
                lines.push(format!(
                    "{folder}: `{name}` may use `{used}`, no room below it"
                ));
            }
        }
    }
    lines
}
