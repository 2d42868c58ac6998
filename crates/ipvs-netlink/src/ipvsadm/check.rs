//! Which options go with which command.

use super::UsageError;
use super::words::Word;

/// The options that count as one: any of them may be given, and only one of them.
const KINDS: [&[Word]; 2] = [
    &[
        Word::TcpService,
        Word::UdpService,
        Word::SctpService,
        Word::FwmarkService,
    ],
    &[Word::Gatewaying, Word::Masquerading, Word::Ipip],
];

const SERVICE: &[Word] = &[
    Word::TcpService,
    Word::UdpService,
    Word::SctpService,
    Word::FwmarkService,
];

const SCHEDULING: &[Word] = &[
    Word::Scheduler,
    Word::Persistent,
    Word::Netmask,
    Word::Ops,
    Word::Engine,
    Word::SchedulerFlags,
];

const SERVER: &[Word] = &[
    Word::RealServer,
    Word::Gatewaying,
    Word::Masquerading,
    Word::Ipip,
    Word::Weight,
    Word::UpperThreshold,
    Word::LowerThreshold,
    Word::TunType,
    Word::TunPort,
    Word::TunNoChecksum,
    Word::TunChecksum,
    Word::TunRemoteChecksum,
];

const LIST: &[Word] = &[
    Word::Numeric,
    Word::Connection,
    Word::Timeout,
    Word::Daemon,
    Word::Stats,
    Word::Rate,
    Word::Thresholds,
    Word::PersistentConn,
    Word::TunInfo,
    Word::NoSort,
    Word::Exact,
    // ipvsadm takes it and does nothing with it.
    Word::SyncId,
    Word::Json,
    Word::Watch,
];

const DAEMON: &[Word] = &[
    Word::McastInterface,
    Word::SyncId,
    Word::SyncMaxLength,
    Word::McastGroup,
    Word::McastPort,
    Word::McastTtl,
];

const fn allowed(command: Word) -> [&'static [Word]; 2] {
    match command {
        Word::AddService | Word::EditService => [SERVICE, SCHEDULING],
        Word::DeleteService | Word::Zero => [SERVICE, &[]],
        Word::AddServer | Word::EditServer => [SERVICE, SERVER],
        Word::DeleteServer => [SERVICE, &[Word::RealServer]],
        Word::List => [SERVICE, LIST],
        Word::Save => [&[Word::Numeric, Word::Complete], &[]],
        Word::Restore => [&[Word::ByDifference], &[]],
        Word::StartDaemon => [DAEMON, &[]],
        Word::StopDaemon => [&[Word::SyncId], &[]],
        _ => [&[], &[]],
    }
}

/// Two options of one kind are as one option twice. `--sort` says what is so anyway, and `--ipv6`
/// belongs to the mark.
pub(super) fn repeated(given: &[Word], option: Word) -> Result<(), UsageError> {
    if matches!(option, Word::Sort | Word::Ipv6) {
        return Ok(());
    }
    let same = |other: &Word| {
        *other == option
            || KINDS
                .iter()
                .any(|kind| kind.contains(other) && kind.contains(&option))
    };
    if given.iter().any(same) {
        return Err(UsageError::Repeated {
            option: option.name(),
        });
    }
    Ok(())
}

/// Whether all that is needed is there and nothing that makes no sense.
pub(super) fn command(command: Word, given: &[Word]) -> Result<(), UsageError> {
    let allowed = allowed(command);
    let name = command.name();
    let needs_service = matches!(
        command,
        Word::AddService
            | Word::EditService
            | Word::DeleteService
            | Word::AddServer
            | Word::EditServer
            | Word::DeleteServer
    );
    if needs_service && !given.iter().any(|word| SERVICE.contains(word)) {
        return Err(UsageError::Required {
            option: "--tcp-service",
            command: name,
        });
    }
    let needs_server = matches!(
        command,
        Word::AddServer | Word::EditServer | Word::DeleteServer
    );
    if needs_server && !given.contains(&Word::RealServer) {
        return Err(UsageError::Required {
            option: Word::RealServer.name(),
            command: name,
        });
    }
    let foreign = given.iter().find(|word| {
        !matches!(word, Word::Sort | Word::Ipv6)
            && !allowed.iter().any(|group| group.contains(word))
    });
    match foreign {
        Some(option) => Err(UsageError::NotWithCommand {
            option: option.name(),
            command: name,
        }),
        None if command == Word::List => list(given),
        None => Ok(()),
    }
}

/// What is listed is one thing, and has the columns of one view.
fn list(given: &[Word]) -> Result<(), UsageError> {
    let exclude = |one: &[Word], other: &[Word]| {
        let first = given.iter().find(|word| one.contains(word));
        let second = given
            .iter()
            .find(|word| other.contains(word) && Some(*word) != first);
        match (first, second) {
            (Some(first), Some(second)) => Err(UsageError::Conflict {
                first: first.name(),
                second: second.name(),
            }),
            _ => Ok(()),
        }
    };
    let subjects = [Word::Connection, Word::Timeout, Word::Daemon];
    exclude(&subjects, SERVICE)?;
    exclude(&subjects, &subjects)?;
    exclude(&subjects, &[Word::Stats, Word::Rate, Word::Thresholds])?;
    exclude(&[Word::Timeout, Word::Daemon], &[Word::PersistentConn])
}
