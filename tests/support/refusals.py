"""The sentence for every command that a document's status doesn't allow, written out."""

_SENTENCES = {
    "reservation": """
        WAITING reserve: is waiting for stock and can't be held again; another hold needs another reference
        WAITING ship,fulfill,extend,release,give_way,expire: is still waiting for stock
        ACTIVE reserve: is held and can't be held again; another hold needs another reference
        ACTIVE hold: is held already
        ACTIVE reject: is held and can't be rejected
        FULFILLED reserve: has been fulfilled and can't be held again; another hold needs another reference
        FULFILLED hold: has been fulfilled and can't be held again
        FULFILLED reject: has been fulfilled and can't be rejected
        FULFILLED ship: has been fulfilled and can't be shipped
        FULFILLED fulfill: has been fulfilled already
        FULFILLED extend: has been fulfilled and can't be extended
        FULFILLED release: has been fulfilled and can't be lowered
        FULFILLED cancel: has been fulfilled and can't be cancelled
        FULFILLED give_way: has been fulfilled and can't give way
        FULFILLED expire: has been fulfilled and can't expire
        CANCELLED reserve: has been cancelled and can't be held again; another hold needs another reference
        CANCELLED hold: has been cancelled and can't be held again
        CANCELLED reject: has been cancelled and can't be rejected
        CANCELLED ship: has been cancelled and can't be shipped
        CANCELLED fulfill: has been cancelled and can't be fulfilled
        CANCELLED extend: has been cancelled and can't be extended
        CANCELLED release: has been cancelled and can't be lowered
        CANCELLED cancel,give_way: has been cancelled already
        CANCELLED expire: has been cancelled and can't expire
        EXPIRED reserve: has expired and can't be held again; another hold needs another reference
        EXPIRED hold: has expired and can't be held again
        EXPIRED reject: has expired and can't be rejected
        EXPIRED ship: has expired and can't be shipped
        EXPIRED fulfill: has expired and can't be fulfilled
        EXPIRED extend: has expired and can't be extended
        EXPIRED release: has expired and can't be lowered
        EXPIRED cancel: has expired and can't be cancelled
        EXPIRED give_way: has expired and can't give way
        EXPIRED expire: has expired already
        REJECTED reserve,hold,ship,fulfill: was rejected for lack of stock; reserve again once the stock is there
        REJECTED extend,cancel,give_way,expire: was rejected for lack of stock; reserve again once the stock is there
        REJECTED release: was rejected for lack of stock; reserve again once the stock is there
        REJECTED reject: was rejected for lack of stock already
    """,
    "purchase order": """
        DRAFT confirm,receive,complete,close_short: isn't approved yet
        DRAFT reopen: is waiting for approval already
        SUBMITTED approve: has been sent to the supplier and can't be approved any more
        SUBMITTED submit: has been sent to the supplier already
        SUBMITTED reject: has been sent to the supplier and can't be rejected any more
        SUBMITTED lapse: has been sent to the supplier and can't lapse any more
        CONFIRMED approve: has been confirmed by the supplier and can't be approved any more
        CONFIRMED submit: has been confirmed by the supplier and can't be sent to the supplier
        CONFIRMED reject: has been confirmed by the supplier and can't be rejected any more
        CONFIRMED lapse: has been confirmed by the supplier and can't lapse any more
        CONFIRMED amend,reopen: has been confirmed by the supplier and can't be amended
        RECEIVED approve: has been received and can't be approved any more
        RECEIVED submit: has been received and can't be sent to the supplier
        RECEIVED reject: has been received and can't be rejected any more
        RECEIVED lapse: has been received and can't lapse any more
        RECEIVED amend,reopen: has been received and can't be amended
        RECEIVED confirm: has been received and can't be confirmed
        RECEIVED receive: has been received and can take no more deliveries
        RECEIVED complete,close_short: has been received already
        RECEIVED cancel: has been received and can't be cancelled
        CANCELLED approve: has been cancelled and can't be approved any more
        CANCELLED submit: has been cancelled and can't be sent to the supplier
        CANCELLED reject,lapse,cancel: has been cancelled already
        CANCELLED confirm: has been cancelled and can't be confirmed
        CANCELLED receive,complete: has been cancelled and can take no more deliveries
        CANCELLED close_short: has been cancelled and can't be closed short
        CANCELLED amend,reopen: has been cancelled and can't be amended
        DRAFT approve_difference: is waiting for approval and no difference of it can be approved
        DRAFT correct_receipt: is waiting for approval and has no receipt to correct
        DRAFT return_goods: is waiting for approval and has nothing to return
        SUBMITTED approve_difference: has been sent to the supplier and no difference of it can be approved
        SUBMITTED correct_receipt: has been sent to the supplier and has no receipt to correct
        SUBMITTED return_goods: has been sent to the supplier and has nothing to return
        CONFIRMED approve_difference: has been confirmed by the supplier and no difference of it can be approved
        CONFIRMED correct_receipt: has been confirmed by the supplier and has no receipt to correct
        CONFIRMED return_goods: has been confirmed by the supplier and has nothing to return
        RECEIVED approve_difference: has been received and no difference of it can be approved
        RECEIVED correct_receipt: has been received and has no receipt to correct
        RECEIVED return_goods: has been received and has nothing to return
        CANCELLED approve_difference: has been cancelled and no difference of it can be approved
        CANCELLED correct_receipt: has been cancelled and has no receipt to correct
        CANCELLED return_goods: has been cancelled and has nothing to return
    """,
    "transfer": """
        PENDING hold: hasn't been dispatched yet and can't be held again; another transfer needs another number
        PENDING receive,complete,write_off,go_on: hasn't been dispatched yet
        IN_TRANSIT hold: has been dispatched and can't be held again; another transfer needs another number
        IN_TRANSIT reject: has been dispatched and can't be rejected
        IN_TRANSIT dispatch: has been dispatched already
        IN_TRANSIT give_way: has been dispatched and can't give up its hold
        RECEIVED hold: has been received and can't be held again; another transfer needs another number
        RECEIVED reject: has been received and can't be rejected
        RECEIVED go_on: has been received and can't go on
        RECEIVED dispatch: has been received and can't be dispatched
        RECEIVED receive: has been received and can take no more deliveries
        RECEIVED complete,write_off: has been received already
        RECEIVED cancel: has been received and can't be cancelled
        RECEIVED give_way: has been received and can't give up its hold
        CANCELLED hold: has been cancelled and can't be held again; another transfer needs another number
        CANCELLED reject: has been cancelled and can't be rejected
        CANCELLED dispatch: has been cancelled and can't be dispatched
        CANCELLED receive,complete: has been cancelled and can take no more deliveries
        CANCELLED write_off: has been cancelled and can't be written off
        CANCELLED go_on: has been cancelled and can't go on
        CANCELLED cancel,give_way: has been cancelled already
        REJECTED hold,dispatch,receive: was rejected for lack of stock; start it again once the stock is there
        REJECTED complete,write_off,go_on: was rejected for lack of stock; start it again once the stock is there
        REJECTED cancel,give_way: was rejected for lack of stock; start it again once the stock is there
        REJECTED reject: was rejected for lack of stock already
        PENDING approve_difference: hasn't been dispatched yet and no difference of it can be approved
        IN_TRANSIT approve_difference: has been dispatched and no difference of it can be approved
        RECEIVED approve_difference: has been received and no difference of it can be approved
        CANCELLED approve_difference: has been cancelled and no difference of it can be approved
        REJECTED approve_difference: was rejected for lack of stock; start it again once the stock is there
    """,
    "inspection": """
        DONE release: is done and can't be released any more
        DONE scrap: is done and can't be scrapped any more
        DONE complete: is done already
        DONE reject: is done and can't be rejected
        DONE approve_difference: is done and no difference of it can be approved
        OPEN approve_difference: is open and no difference of it can be approved
        REJECTED release,scrap,complete: was rejected for lack of stock; start it again once the stock is there
        REJECTED approve_difference: was rejected for lack of stock; start it again once the stock is there
        REJECTED reject: was rejected for lack of stock already
    """,
    "return": """
        INSPECTED inspect: has been inspected and can take no more inspections
        INSPECTED complete,close_short: has been inspected already
        INSPECTED cancel: has been inspected and can't be cancelled
        CANCELLED inspect,complete: has been cancelled and can take no more inspections
        CANCELLED close_short: has been cancelled and can't be closed short
        CANCELLED cancel: has been cancelled already
        EXPECTED approve_difference: is still expected and no difference of it can be approved
        INSPECTED approve_difference: has been inspected and no difference of it can be approved
        CANCELLED approve_difference: has been cancelled and no difference of it can be approved
    """,
    "recall": """
        RELEASED release: has ended with the release of its lot already
        RELEASED close: has ended with the release of its lot and can't be closed
        CLOSED release: has been closed and its lot can't be released
        CLOSED close: has been closed already
    """,
    "adjustment": """
        POSTED post,approve: has been posted already
        POSTED reject: has been posted and can't be rejected any more
        POSTED cancel: has been posted and can't be cancelled
        POSTED lapse: has been posted and can't lapse any more
        REJECTED post: has been rejected and can't be posted
        REJECTED approve: has been rejected and can't be approved any more
        REJECTED reject: has been rejected already
        REJECTED cancel: has been rejected and can't be cancelled
        REJECTED lapse: has been rejected and can't lapse any more
        CANCELLED post: has been cancelled and can't be posted
        CANCELLED approve: has been cancelled and can't be approved any more
        CANCELLED reject: has been cancelled and can't be rejected any more
        CANCELLED cancel,lapse: has been cancelled already
    """,
    "count": """
        COUNTING approve_variance: isn't counted yet
        POSTED record,approve_variance: has been posted already
        POSTED doubt: has been posted and can't be counted
        POSTED cancel: has been posted and can't be cancelled
        CANCELLED record,doubt: has been cancelled and can't be counted
        CANCELLED approve_variance: has been cancelled and can't be approved
        CANCELLED cancel: has been cancelled already
    """,
    "file": """
        LOADING apply,refuse: isn't complete yet
        APPLYING add_page: is being imported and can take no more pages
        APPLYING finish: is being imported already
        APPLYING recognize: is being imported and can't be taken for an earlier one
        APPLYING abandon: is being imported and can't be abandoned
        IMPORTED add_page,finish: has been imported and can take no more pages
        IMPORTED recognize,apply: has been imported already
        IMPORTED refuse: has been imported and can't be refused
        IMPORTED abandon: has been imported and can't be abandoned
        REFUSED add_page,finish,recognize,apply,abandon: was refused; correct it and send it again
        REFUSED refuse: was refused already
        ABANDONED add_page,finish,recognize,apply,refuse: was abandoned; send it again
        ABANDONED abandon: was abandoned already
    """,
    "finding": """
        ACCEPTED repair: has been accepted and can't be repaired
        ACCEPTED accept: has been accepted already
        GONE vanish: has gone by itself already
        GONE repair: has gone by itself and can't be repaired
        GONE accept: has gone by itself and can't be accepted
        REPAIRED vanish: has been repaired and can't be closed
        REPAIRED repair: has been repaired already
        REPAIRED accept: has been repaired and can't be accepted
    """,
}


def _read(lines: str) -> dict[tuple[str, str], str]:
    read: dict[tuple[str, str], str] = {}
    for line in lines.strip().splitlines():
        pairs, _, sentence = line.strip().partition(": ")
        status, _, commands = pairs.partition(" ")
        read |= {(status, command): sentence for command in commands.split(",")}
    return read


REFUSALS = {document: _read(lines) for document, lines in _SENTENCES.items()}
"""By document, status and command: what follows the document's name."""


def refusal_of(document: str, number: str, status: str, command: str) -> str:
    """The whole sentence. A purchase order whose number begins with PO goes by its number alone."""
    name = number if document == "purchase order" and number.lower().startswith("po") else f"{document} {number}"
    return f"{name} {REFUSALS[document][status, command]}"
