//! The options, and taking a command line apart as the popt library does.

use super::UsageError;

/// Whether a word takes a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value {
    None,
    Required,
    /// Taken if it is attached, or if the next word does not begin with `-`.
    Optional,
}

macro_rules! words {
    ($($name:ident $long:literal $short:literal $value:ident,)*) => {
        /// A command or an option.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub(super) enum Word { $($name,)* }

        /// Each with its long name, its short one (a blank for none), and whether it takes a value.
        const WORDS: &[(Word, &str, char, Value)] =
            &[$((Word::$name, $long, $short, Value::$value),)*];
    };
}

words! {
    AddService "--add-service" 'A' None,
    EditService "--edit-service" 'E' None,
    DeleteService "--delete-service" 'D' None,
    Clear "--clear" 'C' None,
    List "--list" 'L' None,
    Zero "--zero" 'Z' None,
    AddServer "--add-server" 'a' None,
    EditServer "--edit-server" 'e' None,
    DeleteServer "--delete-server" 'd' None,
    Set "--set" ' ' None,
    Help "--help" 'h' None,
    Version "--version" 'v' None,
    Restore "--restore" 'R' None,
    Save "--save" 'S' None,
    StartDaemon "--start-daemon" ' ' Required,
    StopDaemon "--stop-daemon" ' ' Required,
    TcpService "--tcp-service" 't' Required,
    UdpService "--udp-service" 'u' Required,
    SctpService "--sctp-service" ' ' Required,
    FwmarkService "--fwmark-service" 'f' Required,
    Scheduler "--scheduler" 's' Required,
    Persistent "--persistent" 'p' Optional,
    Netmask "--netmask" 'M' Required,
    RealServer "--real-server" 'r' Required,
    Masquerading "--masquerading" 'm' None,
    Ipip "--ipip" 'i' None,
    Gatewaying "--gatewaying" 'g' None,
    Weight "--weight" 'w' Required,
    UpperThreshold "--u-threshold" 'x' Required,
    LowerThreshold "--l-threshold" 'y' Required,
    Numeric "--numeric" 'n' None,
    Connection "--connection" 'c' None,
    McastInterface "--mcast-interface" ' ' Required,
    SyncId "--syncid" ' ' Required,
    Timeout "--timeout" ' ' None,
    Daemon "--daemon" ' ' None,
    Stats "--stats" ' ' None,
    Rate "--rate" ' ' None,
    Thresholds "--thresholds" ' ' None,
    PersistentConn "--persistent-conn" ' ' None,
    TunInfo "--tun-info" ' ' None,
    NoSort "--nosort" ' ' None,
    Sort "--sort" ' ' None,
    Exact "--exact" 'X' None,
    Ipv6 "--ipv6" '6' None,
    Ops "--ops" 'o' None,
    Engine "--pe" ' ' Required,
    SchedulerFlags "--sched-flags" 'b' Required,
    TunType "--tun-type" ' ' Required,
    TunPort "--tun-port" ' ' Required,
    TunNoChecksum "--tun-nocsum" ' ' None,
    TunChecksum "--tun-csum" ' ' None,
    TunRemoteChecksum "--tun-remcsum" ' ' None,
    SyncMaxLength "--sync-maxlen" ' ' Required,
    McastGroup "--mcast-group" ' ' Required,
    McastPort "--mcast-port" ' ' Required,
    McastTtl "--mcast-ttl" ' ' Required,
    Json "--json" ' ' None,
    Watch "--watch" ' ' Optional,
    Complete "--complete" ' ' None,
    ByDifference "--by-difference" ' ' None,
}

impl Word {
    /// The long name, for messages.
    pub(super) fn name(self) -> &'static str {
        WORDS
            .iter()
            .find(|(word, ..)| *word == self)
            .map_or("", |(_, long, ..)| long)
    }

    pub(super) const fn is_command(self) -> bool {
        matches!(
            self,
            Self::AddService
                | Self::EditService
                | Self::DeleteService
                | Self::Clear
                | Self::List
                | Self::Zero
                | Self::AddServer
                | Self::EditServer
                | Self::DeleteServer
                | Self::Set
                | Self::Help
                | Self::Version
                | Self::Restore
                | Self::Save
                | Self::StartDaemon
                | Self::StopDaemon
        )
    }
}

/// Options and values one after the other.
pub(super) struct Words<'a> {
    arguments: std::slice::Iter<'a, &'a str>,
    /// What is left of a group of short options such as `-Ln`.
    group: &'a str,
    /// After `--` nothing is an option any more.
    plain: bool,
    /// Words that are neither options nor values of options.
    pub(super) loose: Vec<&'a str>,
}

impl<'a> Words<'a> {
    pub(super) fn new(arguments: &'a [&'a str]) -> Self {
        Self {
            arguments: arguments.iter(),
            group: "",
            plain: false,
            loose: Vec::new(),
        }
    }

    /// The next option with its value.
    pub(super) fn next(&mut self) -> Result<Option<(Word, Option<&'a str>)>, UsageError> {
        if let Some(letter) = self.group.chars().next() {
            return self.short(letter).map(Some);
        }
        while let Some(argument) = self.arguments.next() {
            if self.plain || *argument == "-" || !argument.starts_with('-') {
                self.loose.push(argument);
            } else if *argument == "--" {
                self.plain = true;
            } else if argument.starts_with("--") {
                return self.long(argument).map(Some);
            } else {
                self.group = argument.get(1..).unwrap_or_default();
                if let Some(letter) = self.group.chars().next() {
                    return self.short(letter).map(Some);
                }
            }
        }
        Ok(None)
    }

    fn short(&mut self, letter: char) -> Result<(Word, Option<&'a str>), UsageError> {
        let rest = self.group.get(letter.len_utf8()..).unwrap_or_default();
        self.group = rest.strip_prefix('=').unwrap_or(rest);
        let attached = (!rest.is_empty()).then_some(self.group);
        let name = if letter == 'l' { 'L' } else { letter };
        let known = WORDS
            .iter()
            .find(|(_, _, short, _)| *short == name && name != ' ');
        let Some(&(word, long, _, value)) = known else {
            self.group = "";
            return Err(UsageError::UnknownOption {
                option: format!("-{letter}"),
            });
        };
        if value == Value::None {
            return Ok((word, None));
        }
        self.group = "";
        let value = self.value(long, value, attached)?;
        Ok((word, value))
    }

    fn long(&mut self, argument: &'a str) -> Result<(Word, Option<&'a str>), UsageError> {
        let (name, attached) = match argument.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (argument, None),
        };
        let Some(&(word, long, _, value)) = WORDS.iter().find(|(_, long, ..)| *long == name) else {
            return Err(UsageError::UnknownOption {
                option: argument.to_owned(),
            });
        };
        if value == Value::None {
            return match attached {
                None => Ok((word, None)),
                Some(_) => Err(UsageError::UnexpectedValue { option: long }),
            };
        }
        let value = self.value(long, value, attached)?;
        Ok((word, value))
    }

    fn value(
        &mut self,
        option: &'static str,
        value: Value,
        attached: Option<&'a str>,
    ) -> Result<Option<&'a str>, UsageError> {
        if attached.is_some() {
            return Ok(attached);
        }
        let next = self.arguments.as_slice().first().copied();
        if value == Value::Optional && next.is_none_or(|next| next.starts_with('-')) {
            return Ok(None);
        }
        match self.arguments.next() {
            Some(value) => Ok(Some(value)),
            None => Err(UsageError::MissingValue { option }),
        }
    }
}
