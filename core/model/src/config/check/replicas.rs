//! Checks of `attach`: one server, or several replicas that share a load.

use super::found::Found;
use crate::config::{Attach, Config, Level, SearchOver};

/// Most replicas of a backend: each has a thread of its own.
const MOST_REPLICAS: usize = 100;

/// Checks the URLs themselves. `path`: of the key.
pub(super) fn check_urls(path: &str, attach: &Attach, found: &mut Found) {
    match attach {
        Attach::One(url) => check_url(path, url, found),
        Attach::Replicas(urls) => check_list(path, urls, found),
    }
}

fn check_url(path: &str, url: &str, found: &mut Found) {
    let known = ["http://", "https://", "unix:"];
    if !known.iter().any(|scheme| url.starts_with(scheme)) {
        found.add(
            path,
            format!("is {url:?}, must be a URL such as http://127.0.0.1:8000"),
        );
    }
}

fn check_list(path: &str, urls: &[String], found: &mut Found) {
    if urls.is_empty() {
        found.add(path, "is empty, must have a URL or several");
    }
    if urls.len() > MOST_REPLICAS {
        let listed = urls.len();
        found.add(
            path,
            format!("lists {listed} URLs, must list {MOST_REPLICAS} at most"),
        );
    }
    for (place, url) in urls.iter().enumerate() {
        let path = format!("{path}.{place}");
        check_url(&path, url, found);
        let alike = |other: &String| bare(other) == bare(url);
        if let Some(first) = urls[..place].iter().position(alike) {
            found.add(
                &path,
                format!(
                    "is {url:?}, which entry {first} of the list is too: a replica counts once"
                ),
            );
        }
    }
}

/// A URL without what may stand behind its path.
fn bare(url: &str) -> &str {
    let url = url.trim_end_matches('/');
    url.strip_suffix("/v1").unwrap_or(url)
}

/// Every replica must have something to do at each level.
pub(super) fn check_load(config: &Config, found: &mut Found) {
    let counted = config.backends.iter().filter_map(|backend| {
        let count = backend.attach.as_ref()?.count();
        (count > 1).then(|| (count, backend.label()))
    });
    let Some((count, label)) = counted.max_by_key(|(count, _)| *count) else {
        return;
    };
    let has = format!("{label} has {count} replicas");
    let load = &config.load;
    for (place, slots) in load.concurrency.iter().flatten().enumerate() {
        if *slots < count {
            found.add(
                &format!("load.concurrency.{place}"),
                format!("is {slots}, must be {count} or more: {has}, and each needs a slot"),
            );
        }
    }
    if let Some(search) = &load.search
        && search.over == SearchOver::Concurrency
        && search.from < f64::from(count)
    {
        found.add(
            "load.search.from",
            format!(
                "is {}, must be {count} or more: {has}, and each needs a slot",
                search.from
            ),
        );
    }
    let few = |level: &Level| {
        let requests = load.requests_at(*level)?;
        (requests < u64::from(count)).then_some(requests)
    };
    if let Some(requests) = load.levels().iter().find_map(few) {
        found.add(
            "load.requests",
            format!("is {requests}, must be {count} or more: {has}, and each needs a request"),
        );
    }
}
