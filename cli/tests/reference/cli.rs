//! The page of the command line has every command, argument and flag in the words of the
//! program's own help, in tables between two comments each.

use clap::{Arg, ArgAction, Command, CommandFactory};
use inferbench::args::Args;

use super::check;
use super::common::repository;

/// The program with everything that clap fills in when it is used.
fn program() -> Command {
    let mut program = Args::command();
    program.build();
    program
}

/// The command of a path such as `plugins new`; the program itself if that is empty.
fn command<'a>(program: &'a Command, path: &str) -> Option<&'a Command> {
    path.split_whitespace()
        .try_fold(program, |command, name| command.find_subcommand(name))
}

/// A help text as one line of a table.
fn line(help: Option<&clap::builder::StyledStr>) -> String {
    let text = help.map(ToString::to_string).unwrap_or_default();
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    text.replace('|', "\\|")
}

/// The names of an argument's values.
fn values(argument: &Arg) -> String {
    let names = argument.get_value_names().unwrap_or_default();
    names
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(" ")
}

/// An argument as one writes it: `--output DIR`, `-o`, or `CONFIG`.
fn written(argument: &Arg) -> String {
    let values = match argument.get_action() {
        ArgAction::Set | ArgAction::Append => values(argument),
        _ => String::new(),
    };
    let Some(long) = argument.get_long() else {
        return format!("`{values}`");
    };
    let long = format!("--{long} {values}");
    let short = argument.get_short().map(|short| format!(", `-{short}`"));
    format!("`{}`{}", long.trim_end(), short.unwrap_or_default())
}

fn default(argument: &Arg) -> String {
    let values = argument.get_default_values().iter();
    let is_flag = matches!(argument.get_action(), ArgAction::SetTrue);
    match values.map(|value| value.to_str().unwrap()).next() {
        Some(value) if !is_flag => format!("`{value}`"),
        _ => String::new(),
    }
}

/// The table of the arguments that a command has of its own; of the program itself, of
/// those that all commands have.
fn options(command: &Command, is_program: bool) -> String {
    let arguments = command.get_arguments().filter(|argument| {
        let is_help = ["help", "version"].contains(&argument.get_id().as_str());
        !is_help && !argument.is_hide_set() && argument.is_global_set() == is_program
    });
    let rows = arguments.map(|argument| {
        let choices = argument.get_possible_values();
        let choices = choices
            .iter()
            .map(|choice| format!("`{}`", choice.get_name()));
        let choices = choices.collect::<Vec<_>>().join(", ");
        let takes_value = !matches!(argument.get_action(), ArgAction::SetTrue);
        let choices = match choices.is_empty() || !takes_value {
            true => String::new(),
            false => format!(": {choices}"),
        };
        format!(
            "| {} | {} | {}{choices} |\n",
            written(argument),
            default(argument),
            line(argument.get_help())
        )
    });
    let rows: String = rows.collect();
    format!("| Option | Default | |\n|---|---|---|\n{rows}")
}

/// The table of commands with what each does.
fn commands(program: &Command) -> String {
    let mut table = String::from("| Command | |\n|---|---|\n");
    let visible = program.get_subcommands().filter(|c| !c.is_hide_set());
    for command in visible.filter(|command| command.get_name() != "help") {
        let name = command.get_name();
        let about = line(command.get_about());
        table.push_str(&format!("| [`{name}`](#{name}) | {about} |\n"));
    }
    table
}

/// The page with every table made anew.
fn made(page: &str) -> String {
    let program = program();
    let mut parts = page.split("<!-- made: ");
    let mut made = parts.next().unwrap().to_owned();
    for part in parts {
        let (name, rest) = part.split_once(" -->").unwrap();
        let (_, rest) = rest.split_once("<!-- end -->").unwrap();
        let table = match name {
            "commands" => commands(&program),
            "every command" => options(&program, true),
            path => options(command(&program, path).expect(path), false),
        };
        made.push_str(&format!(
            "<!-- made: {name} -->\n\n{table}\n<!-- end -->{rest}"
        ));
    }
    made
}

fn page() -> String {
    std::fs::read_to_string(repository().join("docs/src/reference/cli.md")).unwrap()
}

/// Paths of all commands that have an argument of their own.
fn with_options(command: &Command, path: &str) -> Vec<String> {
    let visible = command
        .get_subcommands()
        .filter(|c| !c.is_hide_set() && c.get_name() != "help");
    let mut found = Vec::new();
    for inner in visible {
        let path = format!("{path} {}", inner.get_name()).trim().to_owned();
        found.extend(with_options(inner, &path));
        if options(inner, false).lines().count() > 2 {
            found.push(path);
        }
    }
    found
}

#[test]
fn the_page_of_the_command_line_is_that_of_the_programs_help() {
    check("cli.md", &made(&page()));
}

#[test]
fn every_command_with_an_option_has_its_table() {
    let page = page();
    let all = with_options(&program(), "");
    assert!(
        all.contains(&"plugins new".to_owned()) && all.len() > 12,
        "{all:?}"
    );
    for path in all {
        let mark = format!("<!-- made: {path} -->");
        assert!(page.contains(&mark), "cli.md lacks the table of `{path}`");
    }
}

#[test]
fn a_table_has_names_defaults_and_the_words_of_the_help() {
    let page = "a\n<!-- made: calibrate -->\nstale row\n<!-- end -->\nb\n";
    let made = made(page);
    assert!(made.starts_with("a\n<!-- made: calibrate -->\n\n| Option |"));
    assert!(made.ends_with("<!-- end -->\nb\n") && !made.contains("stale row"));
    assert!(made.contains("| `--output FILE` |  | Write the result to this file"));
    let check = self::made("<!-- made: plugins check --><!-- end -->");
    assert!(
        check.contains("| `--time-limit SECONDS` | `60` |"),
        "{check}"
    );
    assert!(check.contains("| `FILE` |  | The library |"), "{check}");
}
