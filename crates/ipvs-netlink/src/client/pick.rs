//! From the pieces of an answer to what the caller asked for.

use crate::errno;
use crate::error::{ConnectError, Error};
use crate::types::{DestinationEntry, Info, ServiceEntry, SyncDaemon, Timeouts};
use crate::wire::Answer;

pub(super) fn family(answers: Result<Vec<Answer>, Error>) -> Result<u16, ConnectError> {
    match answers {
        Ok(answers) => answers
            .into_iter()
            .find_map(|answer| match answer {
                Answer::Family(number) => Some(number),
                _ => None,
            })
            .ok_or(ConnectError::Unavailable),
        Err(Error::Unavailable) => Err(ConnectError::Unavailable),
        Err(error) => Err(ConnectError::Resolve(error)),
    }
}

pub(super) fn info(answers: Vec<Answer>) -> Info {
    let info = answers.into_iter().find_map(|answer| match answer {
        Answer::Info(info) => Some(info),
        _ => None,
    });
    info.unwrap_or_default()
}

pub(super) fn timeouts(answers: Vec<Answer>) -> Timeouts {
    let timeouts = answers.into_iter().find_map(|answer| match answer {
        Answer::Timeouts(timeouts) => Some(timeouts),
        _ => None,
    });
    timeouts.unwrap_or_default()
}

pub(super) fn daemons(answers: Vec<Answer>) -> Vec<SyncDaemon> {
    let daemons = answers.into_iter().filter_map(|answer| match answer {
        Answer::Daemon(daemon) => Some(daemon),
        _ => None,
    });
    daemons.collect()
}

pub(super) fn services(answers: Vec<Answer>) -> Vec<ServiceEntry> {
    let services = answers.into_iter().filter_map(|answer| match answer {
        Answer::Service(entry) => Some(*entry),
        _ => None,
    });
    services.collect()
}

pub(super) fn service(answers: Result<Vec<Answer>, Error>) -> Result<Option<ServiceEntry>, Error> {
    match answers {
        Ok(answers) => Ok(services(answers).into_iter().next()),
        Err(Error::Refused(refusal)) if refusal.errno() == errno::ESRCH => Ok(None),
        Err(error) => Err(error),
    }
}

pub(super) fn destinations(answers: Vec<Answer>) -> Vec<DestinationEntry> {
    let destinations = answers.into_iter().filter_map(|answer| match answer {
        Answer::Destination(entry) => Some(entry),
        _ => None,
    });
    destinations.collect()
}
