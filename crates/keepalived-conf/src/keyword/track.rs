//! `vrrp_script`, `vrrp_track_process`, `track_file`.

use super::arguments::{FLAG, SCRIPT as COMMAND, grammar, int, mstimer, text, timer_or_off};
use super::table::put;
use super::{Arguments, Row, Scope, Table, row};
use crate::codes;
use crate::model::{ParameterMatch, Setting, TrackFile, TrackProcess, VrrpScript};

const I32: i64 = i32::MAX as i64;
const WEIGHT: Arguments = Arguments::Weight { limit: 254 };
/// Delays of processes: up to an hour.
const HOUR: u64 = 3_600_000_000;

#[rustfmt::skip]
static SCRIPT_ROWS: &[Row<VrrpScript>] = &[
    row("script", COMMAND, "", "Command whose exit status 0 means success; mandatory.", put!(script)),
    row("interval", mstimer(0, 4294), "1", "Time between runs.", |t: &mut VrrpScript, c| {
        c.put(&mut t.interval);
        c.one_second(&mut t.interval);
    }),
    row("timeout", mstimer(0, 4294), "the interval", "Time after which a run counts as failed and is killed.", |t: &mut VrrpScript, c| {
        c.put(&mut t.timeout);
        c.one_second(&mut t.timeout);
    }),
    row("weight", Arguments::Weight { limit: 253 }, "0", "Change of priority: added while the script succeeds if positive, subtracted while it fails if negative; 0 makes failure a fault.", put!(weight)),
    row("rise", int(1, I32), "1", "Successes in a row until the script counts as up.", put!(rise)),
    row("fall", int(1, I32), "1", "Failures in a row until the script counts as down.", put!(fall)),
    row("user", Arguments::User, "script_user", "Who runs the script.", put!(user)),
    row("init_fail", FLAG, "", "Start in failed state.", put!(init_fail)),
];

pub(crate) static SCRIPT: Table<VrrpScript> = Table::new(Scope::VrrpScript, &[SCRIPT_ROWS]);

#[rustfmt::skip]
static PROCESS_ROWS: &[Row<TrackProcess>] = &[
    row("process", grammar("PATH [PARAMETER...]"), "", "Program to look for, with parameters if they matter; mandatory.", |t: &mut TrackProcess, c| {
        if c.required().is_some() {
            c.used = 1;
            let words = c.rest();
            if words.len() > 1 {
                t.full_command = Setting::written(true, c.name);
                if t.param_match.value.is_none() {
                    t.param_match = Setting::written(Some(ParameterMatch::Exact), c.name);
                }
            }
            c.set(&mut t.process, words);
        }
    }).first(),
    row("param_match", grammar("[initial|partial]"), "exact", "How parameters are compared.", |t: &mut TrackProcess, c| {
        let how = match c.next() {
            None => Some(ParameterMatch::Exact),
            Some(word) => c.one_of(word, &["initial", "partial"], false).map(|i| {
                if i == 0 { ParameterMatch::Initial } else { ParameterMatch::Partial }
            }),
        };
        if let Some(how) = how {
            c.set(&mut t.param_match, Some(how));
            c.set(&mut t.full_command, true);
        }
    }),
    row("weight", WEIGHT, "0", "Change of priority; 0 makes failure a fault.", put!(weight)),
    row("quorum", int(1, 65535), "1", "Fewest processes.", put!(quorum)),
    row("quorum_max", int(0, 65535), "unlimited", "Most processes; 0 means that none may run.", |t: &mut TrackProcess, c| {
        c.put(&mut t.quorum_max);
        if t.quorum_max.value == Some(0) {
            c.set(&mut t.quorum, 0);
        }
    }),
    row("fork_delay", timer_or_off(1, HOUR), "0", "Hold before the process counts as up.", put!(fork_delay)),
    row("terminate_delay", timer_or_off(1, HOUR), "0", "Hold before the process counts as down.", put!(terminate_delay)),
    row("delay", timer_or_off(1, HOUR), "0", "Sets both delays.", |t: &mut TrackProcess, c| {
        c.put(&mut t.fork_delay);
        t.terminate_delay = t.fork_delay;
    }),
    row("full_command", FLAG, "", "Compare the whole command line rather than the name.", put!(full_command)),
];

pub(crate) static PROCESS: Table<TrackProcess> = Table::new(Scope::TrackProcess, &[PROCESS_ROWS]);

#[rustfmt::skip]
static FILE_ROWS: &[Row<TrackFile>] = &[
    row("file", text("PATH"), "", "File whose first number counts; mandatory.", |t: &mut TrackFile, c| c.put(&mut t.file)).first(),
    row("weight", WEIGHT, "1", "Multiplied with the number; 0 makes any number but 0 a fault.", put!(weight)),
    row("init_file", grammar("[VALUE] [overwrite]"), "", "Create the file if it is absent, or always with `overwrite`.", |t: &mut TrackFile, c| {
        let mut value = 0;
        while let Some(word) = c.next() {
            if c.text(word.span) == "overwrite" {
                c.set(&mut t.init_file_overwrite, true);
            } else if let Some(number) = c.integer(word, i64::MIN, i64::MAX, false) {
                if number.abs() > 254 {
                    let message = "values beyond 254 act as 254";
                    c.warning(codes::OUT_OF_RANGE, message, word.span);
                }
                value = number;
            }
        }
        c.set(&mut t.init_file, Some(value));
    }),
];

pub(crate) static FILE: Table<TrackFile> = Table::new(Scope::TrackFile, &[FILE_ROWS]);
