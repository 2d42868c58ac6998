//! The stable codes of all diagnostics.

use crate::diagnostic::Code;

/// Declares the codes and the list of them.
macro_rules! codes {
    ($( $(#[$meta:meta])* $name:ident = $number:literal, $title:literal; )*) => {
        $( $(#[$meta])* pub const $name: Code = Code($number); )*

        /// All codes with their titles, in order.
        pub const ALL: &[(Code, &str)] = &[ $( (Code($number), $title), )* ];
    };
}

codes! {
    /// A `{` that follows no keyword.
    UNEXPECTED_OPEN = 1, "brace without a keyword";
    /// A `}` that closes nothing.
    EXTRA_CLOSE = 2, "closing brace without a block";
    /// A block keyword without `{`.
    MISSING_OPEN = 3, "block without an opening brace";
    /// A block without `}`.
    UNCLOSED = 4, "block that is never closed";
    /// A quote without its partner.
    OPEN_QUOTE = 5, "quote that is not closed";
    /// White space that is not blank, tab or line end.
    ODD_SPACE = 6, "invisible character";
    /// CR LF line ends.
    CARRIAGE_RETURN = 7, "CR LF line ends";
    /// A NUL byte.
    NUL_BYTE = 8, "NUL byte";
    /// A line longer than keepalived reads.
    LONG_LINE = 9, "line too long for keepalived";
    /// Bytes that are not UTF-8.
    NOT_UTF8 = 10, "file is not UTF-8";
    /// Blocks nested too deeply.
    TOO_DEEP = 11, "blocks nested too deeply";
    /// Definitions or sequences that produce too much.
    EXPANSION_LIMIT = 12, "too much expansion";
    /// A sequence or list that cannot be read.
    BAD_SEQUENCE = 13, "malformed sequence";
    /// A `# director:` comment that cannot be read.
    BAD_COMMENT_LEVEL = 14, "malformed level comment";
    /// An unfilled placeholder.
    PLACEHOLDER = 15, "unfilled placeholder";
    /// `//` is no comment.
    SLASH_COMMENT = 16, "`//` is no comment";
    /// A comment sign inside a word cut it.
    COMMENT_IN_WORD = 17, "comment sign inside a word";

    /// A keyword nobody knows.
    UNKNOWN_KEYWORD = 101, "unknown keyword";
    /// A keyword that is misspelt.
    MISSPELT_KEYWORD = 102, "misspelt keyword";
    /// A blank is missing after a keyword.
    GLUED_KEYWORD = 103, "keyword glued to its value";
    /// A keyword of another block.
    MISPLACED_KEYWORD = 104, "keyword in the wrong block";
    /// A block nobody knows.
    UNKNOWN_BLOCK = 105, "unknown block";
    /// A keyword of another program or build.
    FOREIGN_KEYWORD = 106, "keyword of another program";
    /// A keyword written twice.
    DUPLICATE_KEYWORD = 107, "keyword written twice";
    /// A keyword without block is followed by one.
    UNEXPECTED_BLOCK = 108, "keyword takes no block";
    /// `keyword=value`.
    EQUALS_SIGN = 109, "`=` between keyword and value";

    /// An argument is missing.
    MISSING_ARGUMENT = 201, "missing argument";
    /// More arguments than the keyword takes.
    EXTRA_ARGUMENT = 202, "argument too many";
    /// Not a number.
    BAD_NUMBER = 203, "not a number";
    /// A number outside its range.
    OUT_OF_RANGE = 204, "number out of range";
    /// Not one of the words allowed.
    BAD_CHOICE = 205, "not one of the allowed words";
    /// Not an address.
    BAD_ADDRESS = 206, "not an address";
    /// Not a prefix length.
    BAD_PREFIX = 207, "bad prefix length";
    /// Not a boolean.
    BAD_BOOLEAN = 208, "not a boolean";
    /// A flag with an argument that is ignored.
    FLAG_ARGUMENT = 209, "flag with an argument";
    /// A word of an entry that is not understood.
    BAD_OPTION = 210, "unknown option";
    /// A name too long.
    NAME_TOO_LONG = 211, "name too long";
    /// Letter case differs from keepalived's.
    LETTER_CASE = 212, "letter case";
    /// Digits that are lost to rounding.
    ROUNDED = 213, "number is rounded";
    /// 0 stands for off.
    ZERO_IS_OFF = 214, "0 means off";
    /// A value that keepalived would read otherwise.
    BAD_VALUE = 215, "unusable value";

    /// A definition that is not defined.
    UNDEFINED = 301, "undefined definition";
    /// A name of a script, group, tracker that is not defined.
    UNRESOLVED = 302, "undefined name";
    /// Something nobody uses.
    UNUSED = 303, "defined but not used";
    /// Two things of one name.
    DUPLICATE_NAME = 304, "defined twice";
    /// An instance in two sync groups.
    IN_TWO_GROUPS = 305, "member of two groups";

    /// An interface name that is nearly another one.
    INTERFACE_NAME = 306, "interface name like another";

    /// A mandatory keyword is missing.
    MISSING_KEYWORD = 401, "mandatory keyword missing";
    /// The same VRID twice.
    DUPLICATE_VRID = 402, "virtual router id used twice";
    /// The same address in two instances or twice in one.
    DUPLICATE_ADDRESS = 403, "virtual address used twice";
    /// The same virtual server twice.
    DUPLICATE_VIRTUAL_SERVER = 404, "virtual server defined twice";
    /// The same real server twice in a virtual server.
    DUPLICATE_REAL_SERVER = 405, "real server defined twice";
    /// A virtual server whose address no instance holds.
    ADDRESS_NOT_HELD = 406, "address held by no instance";
    /// DR or TUN with another port.
    PORT_MISMATCH = 407, "real server port without NAT";
    /// `nopreempt` with `state MASTER`.
    NOPREEMPT_MASTER = 408, "nopreempt with state MASTER";
    /// Priority 255 without owning the address.
    OWNER_PRIORITY = 409, "priority 255";
    /// Tracking weight that cannot cause a failover.
    WEIGHT_WITHOUT_EFFECT = 410, "weight that cannot cause a failover";
    /// `auth_pass` longer than 8.
    PASSWORD_CUT = 411, "password longer than 8 bytes";
    /// Authentication with version 3.
    AUTHENTICATION_V3 = 412, "authentication with VRRPv3";
    /// An interval that the protocol version cannot express.
    INTERVAL_VERSION = 413, "advert interval does not fit the version";
    /// A timeout longer than the loop.
    TIMEOUT_OVER_LOOP = 414, "timeout longer than the check interval";
    /// `mh`/`sh` with inhibit and no fallback.
    HASH_WITHOUT_FALLBACK = 415, "hashing without fallback";
    /// UDP service that keeps dead destinations.
    UDP_STICKY = 416, "UDP without one-packet scheduling";
    /// Quorum above the sum of weights.
    QUORUM_UNREACHABLE = 417, "quorum above the sum of weights";
    /// Hysteresis not below the quorum.
    HYSTERESIS = 418, "hysteresis not below the quorum";
    /// Sorry server equal to a real server.
    SORRY_IS_REAL = 419, "sorry server is a real server";
    /// A sync group of one.
    GROUP_OF_ONE = 420, "sync group of one";
    /// A script that is hard to run safely or at all.
    SCRIPT_PATH = 421, "script path";
    /// Script security.
    SCRIPT_SECURITY = 422, "script security";
    /// `vrrp_strict` forbids it.
    STRICT = 423, "strict mode forbids it";
    /// A unicast peer that is the own address.
    PEER_IS_SELF = 424, "unicast peer is the own address";
    /// Unicast without peers.
    UNICAST_WITHOUT_PEERS = 425, "unicast without peers";
    /// A plain-text password that others can read.
    PASSWORD_READABLE = 426, "password readable by others";
    /// Addresses of two families in one instance.
    MIXED_FAMILIES = 427, "mixed address families";
    /// An instance without address.
    NO_ADDRESS = 428, "instance without address";
    /// A virtual server without real server.
    NO_REAL_SERVER = 429, "virtual server without real server";
    /// A real server without checker.
    NO_CHECKER = 430, "real server without checker";
    /// The own interface is tracked.
    OWN_INTERFACE = 431, "own interface tracked";
    /// Mail that will never be sent.
    NO_MAIL = 432, "mail is never sent";
    /// A checker that cannot work.
    CHECKER_INCOMPLETE = 433, "checker that cannot work";
    /// A keyword that has no effect beside another one.
    INEFFECTIVE = 434, "keyword without effect here";
    /// More addresses than an advert holds.
    TOO_MANY_ADDRESSES = 435, "more addresses than an advert holds";
    /// An interface the instance cannot run on.
    BAD_INTERFACE = 437, "unusable interface";
    /// Nobody verifies the certificates of checks over TLS.
    UNVERIFIED_TLS = 439, "certificate that nobody verifies";

    /// The main file cannot be read.
    UNREADABLE = 501, "file cannot be read";
    /// An included file cannot be read.
    INCLUDE_FAILED = 502, "include fails";
    /// A file includes itself.
    INCLUDE_CYCLE = 503, "include cycle";
    /// Includes nested too deeply.
    INCLUDE_DEPTH = 504, "include too deep or too wide";

    /// An old spelling with a present equivalent.
    OLD_SPELLING = 601, "old spelling";
    /// An old keyword without effect.
    OBSOLETE = 602, "obsolete keyword";

    /// A keyword director does not act on yet.
    NOT_BUILT = 701, "effect not built yet";
    /// A keyword that is accepted without effect.
    NO_EFFECT = 702, "keyword without effect";
    /// A keyword director refuses.
    REFUSED = 703, "keyword refused";

    /// Two nodes differ where they must be equal.
    MUST_BE_EQUAL = 801, "nodes differ where they must be equal";
    /// Two nodes are equal where they must differ.
    MUST_DIFFER = 802, "nodes are equal where they must differ";
    /// Unicast peers do not mirror each other.
    MIRROR = 803, "unicast peers do not mirror";
    /// Only one node has it.
    ONE_SIDED = 804, "only on one node";
    /// No tracked failure moves mastership.
    NEVER_FAILS_OVER = 805, "nothing causes a failover";
}

/// Title of a code; `None` if there is no such code.
#[must_use]
pub fn title(code: Code) -> Option<&'static str> {
    ALL.iter()
        .find(|(c, _)| *c == code)
        .map(|(_, title)| *title)
}
