/** The numbers of nf_tables that more than one file needs, named after the kernel's. @see linux/netfilter/nf_tables.h, linux/netfilter/nfnetlink.h */

export const NFNL_SUBSYS_NFTABLES = 10;
export const NFNL_MSG_BATCH_BEGIN = 16;
export const NFNL_MSG_BATCH_END = 17;

/** Types of messages, with the subsystem's number in the high byte. */
const SUBSYSTEM = NFNL_SUBSYS_NFTABLES << 8;
export const NFT_MSG_NEWTABLE = SUBSYSTEM | 0;
export const NFT_MSG_GETTABLE = SUBSYSTEM | 1;
export const NFT_MSG_DELTABLE = SUBSYSTEM | 2;
export const NFT_MSG_NEWCHAIN = SUBSYSTEM | 3;
export const NFT_MSG_GETCHAIN = SUBSYSTEM | 4;
export const NFT_MSG_DELCHAIN = SUBSYSTEM | 5;
export const NFT_MSG_NEWRULE = SUBSYSTEM | 6;
export const NFT_MSG_GETRULE = SUBSYSTEM | 7;
export const NFT_MSG_DELRULE = SUBSYSTEM | 8;
export const NFT_MSG_NEWSET = SUBSYSTEM | 9;
export const NFT_MSG_GETSET = SUBSYSTEM | 10;
export const NFT_MSG_DELSET = SUBSYSTEM | 11;
export const NFT_MSG_NEWSETELEM = SUBSYSTEM | 12;
export const NFT_MSG_GETSETELEM = SUBSYSTEM | 13;
export const NFT_MSG_DELSETELEM = SUBSYSTEM | 14;
export const NFT_MSG_NEWGEN = SUBSYSTEM | 15;
export const NFT_MSG_GETGEN = SUBSYSTEM | 16;
export const NFT_MSG_DESTROYTABLE = SUBSYSTEM | 26;
export const NFT_MSG_DESTROYCHAIN = SUBSYSTEM | 27;
export const NFT_MSG_DESTROYRULE = SUBSYSTEM | 28;
export const NFT_MSG_DESTROYSET = SUBSYSTEM | 29;
export const NFT_MSG_DESTROYSETELEM = SUBSYSTEM | 30;

/** Families. @see linux/netfilter.h */
export const NFPROTO_UNSPEC = 0;
export const NFPROTO_INET = 1;
export const NFPROTO_IPV4 = 2;
export const NFPROTO_ARP = 3;
export const NFPROTO_NETDEV = 5;
export const NFPROTO_BRIDGE = 7;
export const NFPROTO_IPV6 = 10;

/** Verdicts. @see linux/netfilter.h NF_DROP, enum nft_verdicts */
export const NF_DROP = 0;
export const NF_ACCEPT = 1;
export const NFT_CONTINUE = -1;
export const NFT_JUMP = -3;
export const NFT_GOTO = -4;
export const NFT_RETURN = -5;

/** The register that a verdict is written to, and the first one for data. @see enum nft_registers */
export const NFT_REG_VERDICT = 0;
export const NFT_REG_1 = 1;

/** The type of a map's data that is a verdict. @see enum nft_data_types */
export const NFT_DATA_VERDICT = 0xffffff00;

/** @see enum nft_set_flags */
export const NFT_SET_ANONYMOUS = 0x1;
export const NFT_SET_CONSTANT = 0x2;
export const NFT_SET_INTERVAL = 0x4;
export const NFT_SET_MAP = 0x8;
export const NFT_SET_TIMEOUT = 0x10;
export const NFT_SET_EVAL = 0x20;
export const NFT_SET_CONCAT = 0x80;

/** @see enum nft_set_elem_flags */
export const NFT_SET_ELEM_INTERVAL_END = 0x1;
export const NFT_SET_ELEM_CATCHALL = 0x2;

/** @see enum nft_cmp_ops */
export const NFT_CMP_EQ = 0;
export const NFT_CMP_NEQ = 1;
export const NFT_CMP_LT = 2;
export const NFT_CMP_LTE = 3;
export const NFT_CMP_GT = 4;
export const NFT_CMP_GTE = 5;

/** @see enum nft_range_ops */
export const NFT_RANGE_EQ = 0;
export const NFT_RANGE_NEQ = 1;

/** @see enum nft_lookup_flags */
export const NFT_LOOKUP_F_INV = 1;

/** @see enum nft_payload_bases */
export const NFT_PAYLOAD_LL_HEADER = 0;
export const NFT_PAYLOAD_NETWORK_HEADER = 1;
export const NFT_PAYLOAD_TRANSPORT_HEADER = 2;

/** @see enum nft_meta_keys */
export const NFT_META_PROTOCOL = 1;
export const NFT_META_MARK = 3;
export const NFT_META_IIF = 4;
export const NFT_META_OIF = 5;
export const NFT_META_IIFNAME = 6;
export const NFT_META_OIFNAME = 7;
export const NFT_META_IIFTYPE = 8;
export const NFT_META_NFPROTO = 15;
export const NFT_META_L4PROTO = 16;

/** @see enum nft_ct_keys */
export const NFT_CT_STATE = 0;
export const NFT_CT_DIRECTION = 1;
export const NFT_CT_STATUS = 2;
export const NFT_CT_MARK = 3;

/** @see enum nft_nat_types */
export const NFT_NAT_SNAT = 0;
export const NFT_NAT_DNAT = 1;

/** @see linux/netfilter/nf_nat.h */
export const NF_NAT_RANGE_PROTO_SPECIFIED = 0x2;
export const NF_NAT_RANGE_PROTO_RANDOM = 0x4;
export const NF_NAT_RANGE_PERSISTENT = 0x8;
export const NF_NAT_RANGE_PROTO_RANDOM_FULLY = 0x10;

/** @see enum nft_reject_types */
export const NFT_REJECT_ICMP_UNREACH = 0;
export const NFT_REJECT_TCP_RST = 1;
export const NFT_REJECT_ICMPX_UNREACH = 2;

/** @see enum nft_fib_result, enum nft_fib_flags */
export const NFT_FIB_RESULT_ADDRTYPE = 3;
export const NFTA_FIB_F_SADDR = 1;
export const NFTA_FIB_F_DADDR = 2;
export const NFTA_FIB_F_IIF = 8;

/** @see enum nft_limit_type, enum nft_limit_flags */
export const NFT_LIMIT_PKTS = 0;
export const NFT_LIMIT_PKT_BYTES = 1;
export const NFT_LIMIT_F_INV = 1;

/** @see enum nft_log_level */
export const NFT_LOGLEVEL_WARNING = 4;

/** @see enum nft_byteorder_ops */
export const NFT_BYTEORDER_HTON = 1;
