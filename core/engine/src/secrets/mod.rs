//! What must never be written down: values of variables, headers and options
//! that are named like secrets, and the masks that take their place in every
//! text that leaves the engine.

mod collect;
mod found;
mod mask;
mod names;
mod words;

use inferbench_plugin_api::LaunchPlan;

use mask::escaped;
use names::Says;

/// What stands where a secret was.
pub const MASK: &str = "***";
/// Shorter values are no secrets, and would be found everywhere.
const MIN_CHARS: usize = 4;
/// The same for a variable of the environment, which may be named by chance.
const MIN_CHARS_BY_CHANCE: usize = 8;
/// Values that keys of that name have by chance.
const NO_SECRETS: &[&str] = &[
    "true", "false", "none", "null", "auto", "bearer", "basic", "",
];

/// The secrets of a run.
#[derive(Clone, Default)]
pub struct Secrets {
    /// Every form in which a secret may be written, the longest first.
    forms: Vec<String>,
    /// Names that the config adds, in small letters.
    names: Vec<String>,
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Secrets({} forms)", self.forms.len())
    }
}

impl Secrets {
    /// Takes in what a launch plan marks as secret.
    pub fn add_plan(&mut self, plan: &LaunchPlan) {
        for var in plan.env.iter().filter(|var| var.secret) {
            self.add(&var.value);
        }
    }

    /// Whether what has this name and this value is a secret, by itself or by the config.
    #[must_use]
    pub fn hides(&self, name: &str, value: &str) -> bool {
        let is_secret = match names::says(name) {
            Says::Nothing => false,
            Says::MayBe => found::looks_random(value),
            Says::SecretOrPath => !found::is_path(value),
            Says::Secret => true,
        };
        is_secret && !is_setting(value) || self.names.contains(&name.to_lowercase())
    }

    /// The same of a number.
    fn hides_number(&self, name: &str) -> bool {
        names::may_be_digits(name) || self.names.contains(&name.to_lowercase())
    }

    /// Whether the word behind this one on a command line is its value: `--api-key`.
    fn is_flag_of(&self, word: &str, value: &str) -> bool {
        let is_flag = word.starts_with('-') && !word.contains('=');
        is_flag && !value.starts_with('-') && self.hides(word.trim_start_matches('-'), value)
    }

    /// One secret. A header's value is the secret behind its scheme.
    fn add(&mut self, value: &str) {
        let value = value.trim();
        let schemes = ["Bearer ", "Basic ", "Token "];
        let bare = schemes.iter().find_map(|scheme| value.strip_prefix(scheme));
        let value = bare.unwrap_or(value).trim();
        let is_number = value.len() < MIN_CHARS_BY_CHANCE && value.parse::<f64>().is_ok();
        let by_chance = is_setting(value) || is_number;
        if value.chars().count() < MIN_CHARS || by_chance {
            return;
        }
        let in_json = escaped(value);
        let twice = escaped(&in_json);
        let in_form: String = url::form_urlencoded::byte_serialize(value.as_bytes()).collect();
        let in_url = in_form.replace('+', "%20");
        for form in [value.to_owned(), in_json, twice, in_form, in_url] {
            if !self.forms.contains(&form) {
                self.forms.push(form);
            }
        }
        // A secret that begins with another one is masked whole.
        self.forms.sort_by_key(|form| std::cmp::Reverse(form.len()));
    }
}

fn is_setting(value: &str) -> bool {
    let mut words = NO_SECRETS.iter();
    words.any(|word| value.eq_ignore_ascii_case(word))
}
