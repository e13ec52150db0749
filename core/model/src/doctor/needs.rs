//! What follows for a config: whether what each of its backends needs is there.

use serde::Serialize;

use super::plugins::Package;
use super::tools::ProgramPath;
use super::{Judged, Verdict};

/// What one backend of a config needs, and whether it is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "needs")]
pub enum Need {
    /// Nothing: it generates inside InferBench.
    Nothing,
    /// A server that runs already.
    Server {
        /// Its address.
        address: String,
        /// Whether it took a connection just now; `None` if it was not tried.
        answers: Option<bool>,
    },
    /// A program on this machine.
    Program {
        /// Its name or path.
        program: String,
        /// Where it is.
        place: ProgramPath,
        /// Python packages and modules that it imports, if it is Python and said so.
        packages: Option<Vec<Package>>,
    },
    /// An image, and a program in it.
    Image {
        /// Program that runs containers.
        runtime: String,
        /// The image.
        image: String,
        /// What is known of it.
        state: ImageState,
    },
}

/// What is known of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "image_is")]
pub enum ImageState {
    /// The runtime does not work.
    Unknown {
        /// What it said.
        reason: String,
    },
    /// Not on this machine.
    Absent,
    /// On this machine.
    Here {
        /// The program that is started in it.
        program: String,
        /// Whether it is in the image; `None` if that could not be found out.
        has_program: Option<bool>,
    },
}

impl Judged for Need {
    fn verdict(&self) -> Verdict {
        match self {
            Self::Nothing => Verdict::ok("generates inside InferBench"),
            Self::Server { address, answers } => match answers {
                Some(false) => Verdict::warning(
                    format!("nothing takes a connection at {address}"),
                    "start the server, or mend the address in `attach`",
                ),
                Some(true) => Verdict::ok(format!("a server takes connections at {address}")),
                None => Verdict::ok(format!("a server at {address}")),
            },
            Self::Program {
                program,
                place,
                packages,
            } => program_verdict(program, place, packages.as_deref().unwrap_or_default()),
            Self::Image {
                runtime,
                image,
                state,
            } => image_verdict(runtime, image, state),
        }
    }
}

fn program_verdict(program: &str, place: &ProgramPath, packages: &[Package]) -> Verdict {
    let path = match place {
        ProgramPath::Nowhere => {
            let facts = match program.contains('/') {
                true => format!("`{program}` is not there"),
                false => format!("no `{program}` on the PATH"),
            };
            return Verdict::error(facts, "install it, or name the program that is there");
        }
        ProgramPath::NotExecutable { path } => {
            return Verdict::error(
                format!("{path} cannot be run: no execute permission"),
                format!("chmod +x {path}"),
            );
        }
        ProgramPath::At { path } => path,
    };
    let missing = packages.iter().filter(|package| !package.found);
    let missing: Vec<&str> = missing.map(|package| package.name.as_str()).collect();
    if !missing.is_empty() {
        return Verdict::error(
            format!("{path} lacks {}", missing.join(" and ")),
            "install it there, or name the Python that has it",
        );
    }
    let with = packages.iter().map(|package| match &package.version {
        Some(version) => format!(", {} {version}", package.name),
        None => format!(", {}", package.name),
    });
    Verdict::ok(format!("{path}{}", with.collect::<String>()))
}

fn image_verdict(runtime: &str, image: &str, state: &ImageState) -> Verdict {
    match state {
        ImageState::Unknown { reason } => Verdict::error(
            format!("{runtime} does not work: {reason}"),
            format!("run {runtime} image inspect {image}"),
        ),
        ImageState::Absent => Verdict::ok(format!(
            "image {image} is not here: it is fetched before the first start"
        )),
        ImageState::Here {
            program,
            has_program: Some(false),
        } => Verdict::error(
            format!("image {image} has no `{program}`"),
            "name the program that is in the image",
        ),
        ImageState::Here {
            program,
            has_program: Some(true),
        } => Verdict::ok(format!("image {image}, with `{program}`")),
        ImageState::Here {
            has_program: None, ..
        } => Verdict::ok(format!("image {image}")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Status;
    use super::*;

    fn program(program: &str, place: ProgramPath, packages: &[(&str, bool)]) -> Verdict {
        let package = |(name, found): &(&str, bool)| Package {
            name: (*name).to_owned(),
            found: *found,
            version: None,
        };
        Need::Program {
            program: program.to_owned(),
            place,
            packages: Some(packages.iter().map(package).collect()),
        }
        .verdict()
    }

    #[test]
    fn a_program_that_cannot_be_started_is_an_error_with_what_is_wrong() {
        let at = |path: &str| ProgramPath::At {
            path: path.to_owned(),
        };
        let nowhere = program("vllm", ProgramPath::Nowhere, &[]);
        assert_eq!(nowhere.status, Status::Error);
        assert_eq!(nowhere.text, "no `vllm` on the PATH");
        let gone = program("/opt/vllm", ProgramPath::Nowhere, &[]);
        assert_eq!(gone.text, "`/opt/vllm` is not there");
        let locked = ProgramPath::NotExecutable {
            path: "/opt/x".to_owned(),
        };
        assert_eq!(program("/opt/x", locked, &[]).status, Status::Error);
        let lacks = program(
            "python3",
            at("/bin/python3"),
            &[("torch", true), ("a", false)],
        );
        assert_eq!(lacks.text, "/bin/python3 lacks a");
        let good = program("python3", at("/bin/python3"), &[("torch", true)]);
        assert_eq!(good, Verdict::ok("/bin/python3, torch"));
    }

    #[test]
    fn an_image_may_be_absent_but_its_runtime_must_work() {
        let verdict = |state| {
            Need::Image {
                runtime: "docker".to_owned(),
                image: "i:1".to_owned(),
                state,
            }
            .verdict()
        };
        assert_eq!(verdict(ImageState::Absent).status, Status::Ok);
        let reason = "no daemon".to_owned();
        let broken = verdict(ImageState::Unknown { reason });
        assert_eq!(broken.status, Status::Error);
        assert_eq!(broken.text, "docker does not work: no daemon");
        let here = |has_program| {
            verdict(ImageState::Here {
                program: "vllm".to_owned(),
                has_program,
            })
        };
        assert_eq!(here(Some(false)).status, Status::Error);
        assert_eq!(here(Some(true)), Verdict::ok("image i:1, with `vllm`"));
        assert_eq!(here(None), Verdict::ok("image i:1"));
    }

    #[test]
    fn a_server_that_is_not_there_yet_is_a_warning() {
        let verdict = |answers| {
            let address = "http://h:1".to_owned();
            Need::Server { address, answers }.verdict().status
        };
        assert_eq!(verdict(Some(false)), Status::Warning);
        assert_eq!(
            (verdict(Some(true)), verdict(None)),
            (Status::Ok, Status::Ok)
        );
    }
}
