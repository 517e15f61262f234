//! The rules by which a clause's mood is told, in the order in which they are tried.
//!
//! A rule is a pattern over the clause's words in one spelling. Verbs carry a mark ([`crate::mood::marked`]);
//! in the patterns `<b>` is a verb of change in its base form, `<d>` one of the past, `<g>` a
//! gerund, `<c>` any form of one, `<l>` a verb of looking, `§p` a path, `§q` a text.

use std::sync::LazyLock;

use regex_lite::{Match, Regex};

use crate::mood::Form::{self, Advice, Explanation, Hypothetical, Past, Permission};
use crate::mood::Mood::{self, AskState, Ban, Order, Statement, Unclear, Unknown};

/// What follows when a rule's pattern is found.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Then {
    /// The clause has this mood.
    Is(Mood),
    /// An order, although a question mark ends it.
    Ordered,
    /// A ban if it names a change, else it tells something.
    BanOrNothing,
    /// The words after the match decide.
    Rest,
    /// The words after the match decide, and are an order if they are not clear.
    Polite,
    /// A question: about an act if it names a change, else about a state.
    About(Form),
    /// The words after the match decide, but an order is not certain.
    Perhaps,
    /// An order in plain words, unless a question mark follows it.
    Imperative,
}

use Then::{About, BanOrNothing, Is, Perhaps, Polite, Rest};

/// A rule that is ready to be tried.
pub(crate) struct Rule {
    pattern: Regex,
    pub(crate) then: Then,
}

impl Rule {
    pub(crate) fn find<'a>(&self, clause: &'a str) -> Option<Match<'a>> {
        self.pattern.find(clause)
    }
}

/// All rules, in their order.
pub(crate) fn all() -> &'static [Rule] {
    &RULES
}

static RULES: LazyLock<Vec<Rule>> = LazyLock::new(|| {
    let rule = |(pattern, then): &(&str, Then)| {
        let pattern = Regex::new(&expanded(pattern)).ok()?; // a test holds that each is one
        Some(Rule {
            pattern,
            then: *then,
        })
    };
    TABLE.iter().filter_map(rule).collect()
});

fn expanded(pattern: &str) -> String {
    pattern
        .replace("<b>", "[^ ]+~b")
        .replace("<d>", "(?:[^ ]+~d|put~b|set~b|cut~b|shut~b|gone|done)")
        .replace("<g>", "[^ ]+(?:~g|ing~a)")
        .replace("<c>", "[^ ]+~[bsdga]")
        .replace("<l>", "[^ ]+~l")
        .replace("<soft>", SOFT)
        .replace(
            "<who>",
            "(?:i|we|you|one|someone|somebody|anyone|anybody|he|she|they)",
        )
}

/// Words of politeness and of no weight within a request.
const SOFT: &str = "(?: please| kindly| just| perhaps| maybe| possibly| quickly| also| then| now| simply| at once| graciously\
| already| immediately| be so (?:very )?(?:kind|good|nice|gracious|amiable)(?: as)?(?: to)?| be (?:kind|good|nice) enough(?: as)?(?: to)?\
| be an? (?:[a-z]+ )?[a-z]+ (?:and|an)| be able to| be willing to| be prepared to| care to| deign to| condescend to| consent to\
| do (?:me|us) (?:a|the) (?:favou?r|kindness|courtesy|service)(?: and| of)?| go ahead(?: and)?| go(?: and)?| have the (?:goodness|kindness|courtesy|grace|amiability) (?:to|of)\
| see your way(?: clear)? to| find it in your (?:heart|circuits) to| make sure(?: that)?| ensure(?: that)?| see to it(?: that)?\
| see~l to it(?: that)?| see~l that| take care (?:to|that)| like to| manage to| help me(?: to)?| try to| oblige me by| for me| again)*";

#[rustfmt::skip] // one rule, one line
const TABLE: &[(&str, Then)] = &[
    // Questions whose first word would be taken for politeness.
    (r"^(?:ok|okay|fine|alright|safe|unsafe|wise|dangerous|risky|possible|allowed|sensible|smart|harmful|advisable|best|better|worth|(?:a )?(?:good|bad) idea|acceptable|permissible|permitted|harmless|prudent|reasonable) (?:if|to|for me|for us|that)\b", About(Advice)),
    (r"^right (?:if|to)\b", About(Advice)),
    (r"^(?:hypothetically|theoretically|in theory|in principle|in general|generally|out of (?:[a-z]+ )?(?:interest|curiosity)|purely|for my (?:own )?(?:information|understanding|education)|in (?:your|his|her|my|anyone's) (?:humble |honest )?(?:opinion|view|experience|judge?ment)|as a matter of interest|academically)\b", About(Hypothetical)),
    // Orders that begin like bans.
    (r"^(?:please )?(?:do not|don't|never) (?:forget|fail|hesitate|neglect|omit)(?: to)?\b", Polite),
    (r"^(?:never mind|nevermind|forget)(?: about)?(?: the)? <g>", Is(Ban)),
    (r"^(?:never mind|nevermind|forget it|forget that|nothing|no matter)$", Is(Statement)),
    (r"^(?:a |many |so many |1000 )+thanks\b", Is(Statement)),
    (r"^(?:thanks|thank you|sorry|cheers|apologies|my apologies)(?: so much| very much| a lot)? for\b", Is(Statement)),
    (r"^(?:yesterday|earlier(?: today)?|(?:last|this|next) (?:night|week|month|year|time|morning|weekend)|the other day|tomorrow|on (?:mon|tues|wednes|thurs|fri|satur|sun)day|fyi|heads up|note~b(?: that)?|for the record) ", Rest),
    // Words without weight.
    (r"^(?:please|kindly|hey|hi|hello|hiya|yo|oi|ok|okay|so|well|right|alright|now|then|and|but|or|also|oh|umm?|uh|er|ah|aha|hm+|sorry|thanks|thank you|cheers|aios|mate|folks|computer|machine|dear|sir|madam|maam|ma'am|buddy|friend|first|firstly|second|secondly|third|thirdly|finally|lastly|next|afterwards|thereafter|thereupon|honestly|frankly|seriously|quickly|simply|nah|plus|yet|anyway|anyways|actually|instead|yes|yeah|yep|wait|lol|pray|otherwise|therefore|hence|thus|moreover|furthermore|besides|really|just|only|already|again|immediately|urgently|urgent|asap|bon|merci|today|tonight|tomorrow morning|meanwhile|rather|surely|certainly|indeed|absolutely|definitely|obviously|if you please|if i may|if possible|if need be|if necessary|if you (?:don't|do not|would not|wouldn't) mind|if it please you|if it pleases you|for now|right then|right now|after that|at once|at last|as soon as possible|as usual|once more|real quick|one more thing|in that case|in the meantime|good (?:morning|day|evening|afternoon)|my (?:dear )?(?:friend|machine)|be a (?:dear|love|star|pal|legend)(?: and)?|be so (?:very )?(?:kind|good|nice)(?: as)?(?: to)?|do me a (?:favou?r|kindness)(?: and)?|go ahead(?: and)?|go on(?: and)?|feel free to|remember to|be sure to|at your (?:earliest )?convenience|by all means|-|,|:|')(?: |$)", Rest),
    (r"^no (?:wait|please|don't|do not|never|just|it|not|i|,)\b", Is(Unclear)),
    (r"^no,? (?:delete|stop|put)\b", Is(Unclear)),
    // Suggestions are orders.
    (r"^why (?:don't|do not|not|won't|doesn't) (?:you|we|ye)?<soft> ?", Polite),
    (r"^why not<soft> ", Polite),
    (r"^(?:how|what) about(?: you| we| if you)?<soft> ", Polite),
    (r"^what (?:do|would) you say~l (?:to|we|you|if we|if you)(?: to)? ", Polite),
    // Bans.
    (r"^(?:i )?(?:don't|do not) (?:know~l|remember|understand|recall|see~l|get) (?:if|whether|what|why|how|who|when|where|which)\b", About(Explanation)),
    (r"^(?:do not|don't|never|not)\b", BanOrNothing),
    (r"^(?:absolutely |please )*(?:no|zero)(?: more| further| other)? (?:<g>|<c>|[a-z]+ing\b|need\b|reason\b|way\b|changes?\b|links?\b|touching\b|edits?\b|deletions?\b|one (?:is|may|should|must|shall|will|can|gets)\b)", Is(Ban)),
    (r"^(?:hands|paws|mitts|fingers|claws|eyes) (?:off|away)\b", Is(Ban)),
    (r"^keep (?:your |you're |all |those )*(?:[a-z]+ )?(?:hands|paws|mitts|fingers|nose|claws|fingers) (?:off|away|out)\b", Is(Ban)),
    (r"^(?:stay|keep|steer|stand|back)(?: well| right| far)? (?:away|off|out|clear|back)\b", Is(Ban)),
    (r"^check~l (?:out|in) (?:the |a |my |our )?(?:tag|branch|commit~b|release|main|master|version|§p)\b", Is(Order)),
    (r"^(?:give|gimme|get|have|make)(?: me| us)? (?:a |an |one )?(?:new |empty |fresh |second )*(?:folder|directory|account|copy~b|repository|branch)\b", Is(Order)),
    (r"^leave (?:a|an|me|us) ", Is(Order)),
    (r"^(?:leave|spare|preserve|retain|respect)\b", Is(Ban)),
    (r"^let (?:§p|it|them|that|the [a-z~-]+(?: [a-z~-]+)?|[a-z-]+) (?:be|alone|stay|remain|rest|live|run~b|keep)(?: [a-z]+)?$", Is(Ban)),
    (r"^keep (?:a|an|me|one|only) ", Is(Order)),
    (r"^keep\b", Is(Ban)),
    (r"^(?:refrain|abstain|desist|forbear|beware)\b", Is(Ban)),
    // `stop the running backup` stops it; `stop the deleting of files` forbids it.
    (r"^stop~b (?:the|that|this|my|our) <g> (?:of|in|on|at|for|from|to|now|all|any|please)\b", Is(Ban)),
    (r"^stop~b (?:the|that|this|my|our) <g> [a-z0-9]", Is(Order)),
    (r"^(?:avoid|quit~b|stop~b|cease|skip|forget|forget about|hold off|hold off on|give up|leave off|no more|enough|enough of)(?: the| all)? (?:<g>|[a-z]+ing~a)(?: service| daemon| agent)?", Is(Ban)),
    (r"^(?:avoid|skip)\b", Is(Ban)),
    (r"^(?:nobody|no one|no-one|noone|none|nothing|not one|not a|neither|not even)\b", BanOrNothing),
    (r"^(?:under|on|in|at|for) (?:no|any|whatever) (?:circumstances?|account|case|condition|event|time|pretext|reason|way)\b", Is(Ban)),
    (r"^(?:i|we)(?:'d| would| should| had)(?: much| far| very much| really)? (?:rather|prefer|sooner|like it|appreciate it|be (?:glad|grateful|obliged|happy|pleased|thankful|relieved))\b.*\b(?:not|never|didn't|don't|wouldn't|leave|left alone|untouched|stayed|remained?|refrain(?:ed)?|abstain(?:ed)?)\b", Is(Ban)),
    (r"^(?:i|we)(?:'ll| will| shall| would|'d)? (?:thank|ask|beg|urge|implore|request|want|need|advise|warn)~?[a-z]? ?(?:of )?(?:you|that you|everyone|nobody)? ?(?:not to|never to|to not|to never|to leave [^ ]+ alone|to refrain|to abstain|to avoid)\b", Is(Ban)),
    (r"^(?:i|we) (?:forbid|prohibit|veto|refuse~b|object|oppose|won't have|will not have|won't allow|will not allow|won't permit|cannot allow|can't allow|can't have)\b", Is(Ban)),
    (r"^(?:i|we) (?:don't|do not|didn't|did not|never) (?:want|wish|allow|permit|authori[sz]e|desire|consent|intend|mean|like|ask|asked|said|say~l|tell~l|told|order|ordered)\b", BanOrNothing),
    (r"^(?:i|we)(?: really)? (?:don't|do not|doesn't) (?:think|believe|suppose|reckon)\b", Is(Unclear)),
    (r"^(?:i|we) (?:don't|do not|no longer) (?:need|use|require)\b", Is(Unclear)),
    (r"^(?:let's|let us) not\b", BanOrNothing),
    (r"^(?:you )?(?:had better|better|'d better|best)(?: not| never)\b", Is(Ban)),
    (r"^you'd better not\b", Is(Ban)),
    (r"^(?:can|could|would|will|can't|couldn't|may|might) (?:you|we)<soft> (?:not|never|refrain|abstain|avoid|leave|stop~b (?:<g>|[a-z]+ing~a)|keep)\b", Is(Ban)),
    (r"^(?:would|do) you(?: please| kindly)? mind(?: please| terribly| awfully)? (?:not|never|leaving|keeping|refraining|avoiding)\b", Is(Ban)),
    (r"^(?:is it|would it be) (?:possible|too much)(?: to ask)?(?: for you| you)?(?: to)? not\b", Is(Ban)),
    (r"^(?:make~b sure|make~b certain|ensure|see~l to it|see~l that|take~b care)(?: that)?\b.*\b(?:not|never|nobody|no one|nothing|untouched|intact|keeps?|stays?|remains?)\b", Is(Ban)),
    (r"^(?:i|we)\b.* (?:want|need|wish|like|have) to (?:keep|preserve|retain|leave)\b", Is(Ban)),
    (r"^(?:dry run~b|dry run|simulate|for example|example)$", Is(Statement)),
    (r"^(?:make~b sure|make~b certain|ensure|see~l to it|see~l that|take~b care (?:that|to|of))\b", Is(Order)),
    (r"^(?:stop~b|halt~b|quit~b|cancel~b|abort|enough)(?: that| it| this| everything| now| right now| at once)*$", Is(Ban)),
    (r"^(?:stop~b|quit~b) (?:trying|attempting|thinking|wanting|going|messing|all)\b", Is(Ban)),
    (r"^(?:negative|woe|careful|caution|warning|beware|danger)\b", Is(Ban)),
    (r"^(?:forget|ignore|disregard|cancel~b|scratch~b|strike|withdraw)\b.*\b(?:i|we)(?:'ve| have| had)? (?:said|asked|told|ordered|wanted|requested|wrote~d)\b", Is(Ban)),
    (r"^(?:stop~b short of|resist|think twice|beware|guard against|dispense with|give up on)\b", Is(Ban)),
    (r"^(?:scrap~b|cancel~b|forget|abort|drop~b|call off|skip|shelve|ditch~b|abandon|scratch~b|kill~b|disregard|ignore)(?: about)? (?:the|that|this|any|your|my|our|all|those|every)(?: [a-z]+)? (?:plans?|ideas?|orders?|requests?|jobs?|tasks?|thoughts?|notions?|instructions?|rename~b|renaming~g|move~b|copy~b|deletions?~?d?|removal~d|restart~b|shutdown~d|whole thing|bit|part)\b", Is(Ban)),
    (r"\b(?:refrain|refrained|abstain|desist|forbear)\b", Is(Ban)),
    (r"\bno [a-z]+(?: [a-z]+)? (?:should|may|shall|must|is to|are to|gets?|can|will|ought) ", Is(Ban)),
    (r"^(?:no|stop~b|skip|forget) (?:that|it|this)$", Is(Ban)),
    (r"^(?:stop~b means|refuse~b$|refuse~b it)", Is(Ban)),
    (r"^(?:noted~d|understood|agreed|good|great|fine|deal)\b", Is(Statement)),
    (r"^even (?:if|when|though|as)\b", Is(Statement)),
    (r"^(?:you (?:must|should|have to|need to|will|shall) )?(?:always |please )*(?:ask|check~l with|consult|warn|tell~l)(?: me| us)? (?:first|before|prior|beforehand)\b", Is(Ban)),
    (r"^(?:only )?<b>.*\b(?:only if|if|when|once) (?:i|we) (?:say~l|tell~l|ask|approve|confirm)", Is(Ban)),
    (r"^wait\b.*\b(?:before|until)\b", Is(Ban)),
    (r"\bonly (?:after|when|if|once) (?:i|we)\b", Is(Ban)),
    (r"^(?:i|we)\b.* to (?:stay|remain|keep)\b", Is(Ban)),
    (r"^(?:i|we)\b.* (?:you to )?(?:ask|check~l|warn|tell~l me)\b.* before\b", Is(Ban)),
    (r"^(?:i|we)(?: do)? still (?:need|want|use~b)\b", Is(Statement)),
    (r"^(?:i|we)\b.* (?:later|myself|ourselves|tomorrow|on [a-z]+days?)$", Is(Statement)),
    (r"^(?:i|we) (?:like|love|expect|hope|plan~b|intend) (?:to <b>|[a-z]+ to <b>|the [a-z~]+ )", Is(Statement)),
    (r"^hold the <b>", Is(Ban)),
    (r"^(?:make~b sure|make~b certain|ensure)\b.* is (?:kept|left|preserved|untouched)\b", Is(Ban)),
    (r"^(?:suggest|pretend|having trouble|error|errors|trouble|problem|problems)\b", Is(Statement)),
    (r"^let .*\b(?:keep|stay|finish|complete|continue|go on|carry on)\b", Is(Ban)),
    (r"^(?:make~b sure|make~b certain|ensure)(?: that)?\b.*\b(?:keeps?|stays?|remains?)\b", Is(Ban)),
    (r"^(?:do not|don't|never) .*\b(?:until|before|unless)\b", Is(Ban)),
    (r"^hold (?:off|on|back|your (?:fire|horses))\b", Is(Ban)),
    (r"^(?:i|we) (?:hope|trust|expect|assume)(?: that)? .*(?:n't|not|never|nobody)\b", About(Past)),
    (r"^let it be (?:known|understood|clear|said|noted)\b", Is(Statement)),
    (r"^(?:whatever|however|no matter|regardless|come what may|whoever|whichever|whether)\b", Is(Statement)),
    (r"^(?:before|after|until) (?:i|we|he|she|they|§p|the|anyone|anybody|someone|somebody|it|this|that|my|our)\b", Is(Statement)),
    (r"^(?:before|after|until) you\b", Is(Unclear)),
    (r"^(?:before|after|upon|on) <g>.*\b(?:i|we|it|the [a-z]+|§p) (?:was|were|had|made~d|did|is|got|saw|went|[a-z]+ed|[a-z]+~d)\b", Is(Statement)),
    (r"^(?:before|after|upon|on) <g>", Is(Order)),
    (r"^(?:under|in|on|at|for|to|from|by|with|since|until|through) (?:which|what|whose|whom)\b", About(Explanation)),
    (r"^(?:you're|you are|it's|that's|he's|they're|we're) (?:not|never|no longer)\b", BanOrNothing),
    (r"^there (?:shall|will|must|should|is to|are to|is|are)(?: to)?(?: be)? (?:no|not|never)\b", Is(Ban)),
    (r"^(?:i|we)\b.* (?:not|never) (?:be|to be|get|to)\b", Is(Ban)),
    (r"^what (?:i'm|i am|we are|we're) (?:after|asking for|looking for) is\b|^what (?:i|we)(?:'d| would)? (?:want|need|like|require|wish) is\b|^all (?:i|we) (?:want|need|ask) is\b", Is(Order)),
    // Questions about acts.
    (r"^(?:what if|suppose|supposing|imagine|assume|assuming|let's say~l|let us say~l|let's suppose|let's imagine|let us suppose|let us imagine|say~l (?:i|we|you|one|that|someone|somebody|§p)|were (?:i|we|one|you|somebody|someone) to|were §p|had (?:i|we|you|one)|should (?:i|we|one|somebody|someone)|picture|in the event|in case|had §p)\b", About(Hypothetical)),
    (r"^if you(?:'d| would| could| can| will| might| please| are able| have a| get a| be so)(?: please| kindly| be so (?:kind|good)(?: as)?| be able| moment| minute| sec| second| just| perhaps)*(?: to)?(?: |$)", Polite),
    (r"^if (?:it|that|this)(?: is| isn't| is not| be|'s|'s not| would| wouldn't| does| doesn't)?(?: not| n't)? ?(?:too|be|beneath|ok|okay|possible|alright|any|a|all|no|not|convenient|inconvenient|pleases?|suits?|please|trouble|bother|help|helps)\b[^§]*$", Is(Statement)),
    (r"^if\b", About(Hypothetical)),
    (r"^(?:when|whenever|once|while|until|till|unless|because|since|as|seeing as|given that|considering|although|though|even though|whereas|inasmuch as|now that)\b.*", Is(Statement)),
    (r"^(?:i|we)?(?:'m|'ve been| am| was| were| have been| do| did)?(?: just| also| only| simply| merely)? ?(?:wonder|wondered|wondering)(?: merely| just| only| simply)?,? (?:if|whether) (?:you|we|it)(?:'d| would| could| can| might| were able to| may)(?: mind| be so (?:kind|good)(?: as)?| be able| please| kindly| be possible| be (?:too much )?trouble)*(?: for you)?(?: to)?\b", Polite),
    (r"^(?:i|we)?(?:'m|'ve been|'d| am| was| were| have been| do| did| would| should)?(?: just| also| only| simply| merely| really)? ?(?:wonder|wondered|wondering|curious|be curious|ask myself|asking myself|not sure|unsure|not certain|uncertain|in doubt|at a loss|ignorant|hesitate|hesitating|in two minds)\b", About(Explanation)),
    (r"^(?:i|we|one)?(?:'d| would| should| shall|'ll| will)?(?: just| also| only| really| merely| simply| very much| dearly| do)* ?(?:like|love|want|need|wish|wishes|care|be (?:curious|interested|glad|happy|grateful|pleased)|am trying|'m trying|trying|try|am (?:eager|keen|anxious|interested|curious)|happy)(?: to| in)? (?:know~l|understand|understanding|learn|hear|find~l out|figure~l out|be (?:told|informed|sure|certain|reassured|shown|advised|enlightened)|ask you (?:if|whether|what|why|how|who|when)|ask (?:if|whether|what|why|how|who|when)|knowing|hearing|learn)\b", About(Explanation)),
    (r"^(?:i|we)?(?:'d| would| should)?(?: just| also| only| really)* ?(?:like|love|want|need|wish)(?: to)? (?:see~l|view~l|have a look|look~l|read~l|check~l|watch~l|compare~l|count~l|inspect~l|verify~l|examine~l|list~l|be shown|find~l)\b.*\b(?:called|gone|moved~d|renamed~d|deleted~d|removed~d|instead)\b", Is(Order)),
    (r"^(?:i|we)?(?:'d| would| should| will|'ll)?(?: just| also| only| really| merely| simply)* ?(?:like|love|want|need|wish|have)(?: to)? (?:see~l|view~l|have a look|look~l|read~l|check~l|watch~l|compare~l|count~l|inspect~l|verify~l|examine~l|list~l|be shown|find~l|consult|a look|a list|a look)\b", Is(AskState)),
    (r"^(?:explain~l|teach|describe~l|clarify|elaborate|enlighten|walk me through|remind me|help me (?:to )?understand|educate me|talk me through|elucidate|instruct me)\b", About(Explanation)),
    (r"^(?:telling|showing|explaining|letting|describing|checking|listing|reading|looking|finding|informing|advising|saying|confirming|reminding|teaching|walking|displaying|counting|giving me)\b", About(Explanation)),
    (r"^(?:tell~l|show~l|inform|advise|let|give|remind|notify|apprise|brief)(?: me| us)?(?: please| know~l| again| first| briefly| kindly)* (?:how|why|whether|if|when|who|what|which|where|about|in detail|exactly)\b", About(Explanation)),
    (r"^(?:give|get) (?:me|us) (?:a|an|another|one|my)(?: [a-z-]+)? (?:copy~b|file~b|file|folder|directory|link~b|symlink~b|backup~b|page)\b", Is(Order)),
    (r"^let (?:me|us) <b>", Is(Statement)),
    (r"^let (?:me|us) (?:know~l|see~l|have a look|look~l|read~l|check~l|hear)\b", Is(AskState)),
    (r"^(?:tell~l|show~l|inform|advise|give|notify|read~l|remind)(?: me| us)\b", Is(AskState)),
    (r"^(?:tell~l|ask|instruct|order|command|force|urge|oblige|invite) [^ ]+(?: [^ ]+){0,4}? to ", Is(Order)),
    (r"^get (?:me )?(?:the|a) (?:list~l|size|status|contents?|log~b|logs~s|state|number)\b", Is(AskState)),
    (r"^any (?:harm|risk|risks|danger|dangers|problem|problems|objections?|reason|reasons|issues?|downsides?|drawbacks?|thoughts?|advice|ideas?|point|side effects?|consequences|trouble|regrets|need|idea|use~b|sense|inconvenience|effects?|impact|hazards?|obstacles?)\b", About(Advice)),
    (r"^(?:thoughts?|opinions?|advice|views?|view~l|objections?) (?:on|about|to|regarding)\b", About(Advice)),
    (r"^(?:the )?(?:consequences?|effects?|risks?|dangers?|pros and cons|impact|implications?|purpose|meaning|side effects) of\b", About(Hypothetical)),
    (r"^(?:the )?difference between\b", About(Explanation)),
    (r"^(?:who|whom|whose|who's|who'd|when|when's|which)\b", About(Past)),
    (r"^(?:what|what's|where|where's|how|how's|why|why's|how come|what're|what'd|what'll|why'd|how'd|where'd|whence|wherefore)\b", About(Explanation)),
    (r"^(?:do|would) you (?:think|suppose|reckon|imagine) (?:that )?(?:you|we|someone|somebody)(?: could| can| might| would| may| were able to|'d be able to)(?: possibly| please| kindly| perhaps| just)* ", Polite),
    (r"^(?:can|could|would|will) you (?:have|possibly have|not have|'ve|ever have) <d>", About(Past)),
    (r"^(?:can|could|would|will|do|did|might) you(?: happen to| really| truly| honestly| by any chance| personally)? (?:say~l|think|recommend|advise|suggest|reckon|consider|expect|agree|believe|still|ever|even|theoretically|in theory|lose|break|refuse~b|survive|need|recover~b|normally|usually|always|object|remember|recall|know~l|see~l any|foresee|counsel|deem|judge|guess~l|imagine|anticipate|approve|actually)\b", About(Advice)),
    (r"^(?:would|do|wouldn't|might|will) you mind (?:if|my|me|us|our|that)\b", About(Permission)),
    (r"^(?:would|do|wouldn't) you(?: please| kindly)? mind(?: please| terribly| awfully| very much| too much| just)* ", Polite),
    (r"^mind (?:if|my|me)\b", About(Permission)),
    (r"^mind ", Polite),
    (r"^(?:can|could|would|will|can't|can not|couldn't|won't|wouldn't|would not|may|might)(?: not)? (?:you|ye|thou|someone|somebody|one of you|your good self|your goodness)<soft>(?: |$)", Polite),
    (r"^(?:can|could|would|will) (?:anyone|anybody) (?:please|kindly)(?: |$)", Polite),
    (r"^(?:can|could|may|might)(?: i| we)<soft> (?:ask|trouble|bother|beg|request|invite|persuade|tempt|implore|prevail|impose|entreat|solicit|call|count~l|rely|venture|suggest|propose)(?: of| on| upon)?(?: your kindness| your goodness| your good offices| the favou?r| the kindness)?(?: you| that you)?(?: to ask you| of)?(?: to| for| that you)?\b", Polite),
    (r"^(?:can|could|may|might) (?:i|we)<soft> (?:get|have) you to\b", Polite),
    (r"^(?:can|could|may|might) (?:i|we)<soft> (?:have|get) (?:a look|the list~l|a list~l|the status|a view~l|a summary|the size|some information|the contents)\b", Is(AskState)),
    (r"^(?:can|could|may|might) (?:i|we)<soft> (?:have|get) (?:§p|the|an?|my|our|this|that|these|those|it|them|one|some|another|[a-z.-]+) ?.*(?:<d>|copy~b|folder|file~b|file|link~b|directory|backup~b|off|up|down|away)\b", Then::Ordered),
    (r"^(?:perhaps|maybe) (?:you|we|someone|somebody) (?:could|would|can|might|will|should|may)<soft>(?: |$)", Polite),
    (r"^would it (?:please you|be (?:too (?:bold|forward|impertinent|presumptuous)(?: of me)?|presumptuous(?: of me)?|amiss|improper|impolite|too much|possible|feasible|a bother|a nuisance|an imposition|asking too much|convenient|inconvenient|conceivable|in your power|within your power|a great (?:trouble|inconvenience)|too great an? [a-z]+|of great trouble|a lot to ask|much trouble|any trouble))(?: of)?(?: a| an)?(?: trouble| bother| nuisance| imposition)?(?: for you| you)?(?: if i asked you| if i were to ask| to ask| of you| of a bother| for you| you)*(?: that you| that| you| of you)?(?: to|,)? ?", Polite),
    (r"^would it (?:kill~b|hurt|pain|bother|trouble|inconvenience|cost|disturb~a) (?:you|thee)(?: too much| terribly| greatly| much| unduly)? (?:to|if you) ?", Polite),
    (r"^is it possible (?:for you|that you|of you)(?: to)? ", Polite),
    (r"^(?:is there |are there )?(?:any|a|some|no|the) (?:chance|way|possibility|hope|chances|likelihood)(?: at all)? (?:that )?(?:you|of you|of your|for you|you'd|we|i could get you|of having|of getting|of seeing|for me to have)(?: could| might| would| can| may| to|'d| possibly| kindly)*\b", Polite),
    (r"^(?:can|could|may|might|would) (?:§p|the|my|our|this|that|[a-z0-9.-]+)(?: [a-z0-9.~-]+){0,5} (?:be|get) (?:<d>|[a-z]+ed)\b.*\bplease\b", Then::Ordered),
    (r"^(?:shall we|should we|shall i|should i|must i|must we|ought i|ought we|am i|are we|do i|do we|may i|may we|can i|can we|could i|could we|might i|might we|would i|would we|will i|will we|dare i|need i)\b", About(Permission)),
    (r"^do(?: please| kindly| go ahead and| just| be (?:so )?(?:kind|good)(?: enough)?(?: as)? (?:to|and))* (?:<b>|see~l to it|let|have|get|give|ensure|be)\b", Is(Order)),
    (r"^do (?:the (?:needful|same|following|necessary)|this|that|it|so|one|an?|as|needful|me|us)\b", Is(Order)),
    (r"^have (?:you|we|they|i|he|she|it|there|any|anyone|anybody|someone|somebody)\b", About(Past)),
    (r"^have (?:a|another) (?:[a-z]+ )?(?:look~l|look|peek~l|glance)\b", Is(AskState)),
    (r"^(?:give|have) (?:[^ ]+ )?(?:an? )(?:[a-z]+ )?<b>", Is(Order)),
    (r"^(?:have|get|let|give|be rid) ", Then::Imperative),
    (r"^(?:did|didn't|has|hasn't|have|haven't|had|hadn't|was|wasn't|were|weren't)\b", About(Past)),
    (r"^need (?:i|we|one)\b", About(Advice)),
    (r"^do\b", About(Explanation)),
    (r"^might there be (?:an?|another|one|some) (?:new |empty |second )*(?:folder|directory|file~?b?|account|branch|copy~b|rule|link~b|snapshot~b|backup~b|schedule~b)\b", Is(Unknown)),
    (r"^might (?:§p|the|my|our|this|that|[a-z0-9.-]+)(?: [^ ]+){0,8}? (?:be|become|get|have|find~l|use~b)\b", Is(Unknown)),
    (r"^(?:is|isn't|are|aren't|am|do|does|doesn't|will|would|can|could|shall|should|shouldn't|may|might|must|ought|dare|wouldn't|won't|can't|couldn't)(?: not)? (?:i|we|you|he|she|it|they|there|this|that|these|those|the|an?|my|our|your|any|anyone|anybody|someone|somebody|anything|everything|all|both|<g>|§p|§q|[a-z0-9._-]+~g)(?: |$)", About(Hypothetical)),
    (r"^(?:is|isn't|are|aren't|am|does|doesn't|shall|should|shouldn't|ought|wouldn't|won't|can't|couldn't|will|would|can|could|must)\b", About(Hypothetical)),
    (r"^(?:may|might|could|should|would)(?: well| just| probably| perhaps| as well)* (?:<b>|<l>|have|be|get|try)\b", Is(Statement)),
    // What somebody says of himself or of others.
    (r"^(?:let's|let us)<soft> ", Polite),
    (r"^it(?:'s| is| was) (?:high |about |really |past |well past |now )*time\b", Is(Order)),
    (r"^(?:high |about )?time (?:to|for|that|you|we|§p)\b", Is(Order)),
    (r"^(?:i'm|i am|we're|we are)(?: just| only| merely)* asking (?:if|whether|what|how|why|about|because)\b", About(Hypothetical)),
    (r"^(?:i|we)(?:'d| would| should)?(?: just| only| really| also)* (?:need|want|like) (?:you )?(?:to )?(?:please |kindly )?<l>", Is(AskState)),
    (r"^(?:i|we)(?:'d| would| should)?(?: just| only| really| also)* (?:need|want|like)(?: to have)? (?:the|an?|some|your|more|any)(?: [a-z0-9]+){0,3} (?:size|lines?|status|uptime|contents?|list~l|number|information|info|help|advice|names?|date|version|output~l|space|time|total)\b", Is(AskState)),
    (r"^(?:i|we)(?:'ll| shall| will)?(?: still)? (?:need|want|require|use~b) (?:it|§p|that|them|this|those|him|her)(?: (?:on [a-z]+day|later|tomorrow|for|again|next|until)\b.*)?$", Is(Statement)),
    (r"^i (?:pray|beg|implore|ask|beseech|entreat|repeat)(?: of)? you$", Is(Statement)),
    (r"^(?:i|we)(?:'d| would| should| shall|'ll| will)(?: then| very| much| also| just| really| be| have| most| infinitely| forever| truly| ever so| so| greatly| rather| dearly| humbly| like| love)* (?:be (?:much |most |very |infinitely |forever |ever so |so )*(?:obliged|grateful|glad|happy|pleased|delighted|thankful|indebted)|obliged|grateful|glad|happy|pleased|delighted|thankful|indebted|like|love|appreciate|prefer|want|need|require|ask|beg|request|esteem it|consider it|take it|count~l it|rather|suggest|propose|wish|see~l|thank|deem|advise|recommend)\b", Is(Order)),
    (r"^(?:i|we)(?: really| just| do| also| urgently| hereby| only| still| kindly| humbly| now| must| very much| would| shall| earnestly| desperately)* (?:need|want|wish|require|demand|insist|beg|request|ask|order|command|expect|desire|entreat|pray|beseech|implore|instruct|direct|would like|like|hope|trust|count~l on|rely on|charge|entrust|propose|suggest|prefer)\b", Is(Order)),
    (r"^(?:i|we)(?: just| already| also| only| never| finally| accidentally| merely| simply| have| had|'ve|'d| myself| ourselves)* (?:<d>|[a-z]+ed|did|was|were|had|saw|gave|got|lost|said|told|meant|thought|forgot|knew|kept|began|broke|found|felt|came|left|went|heard)\b(?: |$)", Is(Statement)),
    (r"^(?:i|we)(?:'m| am|'re| are| was| were)(?: just| now| currently| still| only| already| also| rather| merely)* (?:asking|ordering|requesting|telling|begging|after|in need|counting|relying|commanding|instructing|waiting for)\b", Is(Order)),
    (r"^(?:i|we)(?:'m| am|'re| are) (?:going to|about to|gonna) (?:need|require|want)\b", Is(Order)),
    (r"^(?:i|we)(?:'m| am|'re| are)(?: very| quite| so)? (?:obliged|grateful|glad|thankful) (?:if|should)\b", Is(Order)),
    (r"^(?:i|we)(?:'d| would) (?:feel|sleep)\b.* (?:with|if|knowing)\b", Is(Order)),
    (r"^(?:i|we)(?:'ll| will| shall) be (?:needing|wanting|requiring)\b", Is(Order)),
    (r"^(?:i'm|i am|we're|we are|im)\b", Is(Statement)),
    (r"^(?:i|we)(?: really| just)* (?:think|find~l|guess~l|believe|reckon|suppose|figure~l|feel|say~l)(?: that)?(?: it's time)? ", Perhaps),
    (r"^we (?:must|have to|need to|ought to|had better|'d better) ", Polite),
    (r"^(?:i|we)\b", Is(Statement)),
    (r"^(?:i'll|i've|i'd|we'll|we've|we'd|he|she|they|he's|she's|they've|they're|that's|this is|there's|there is|there are|there was)\b", Is(Statement)),
    (r"^(?:need|want|wish|require|would like|would love|would appreciate|going to need|going to want|could do with|could use~b|have to|ought to|looking to|in need of)\b", Is(Order)),
    (r"^you (?:think|reckon|believe|know~l|say~l|see~l|suppose|guess~l|sure|happen)\b", About(Advice)),
    (r"^you(?:'ve| have| had| were| are|'re)\b.*\b(?:been|so|very|a|of|good|great)\b", Is(Statement)),
    (r"^you (?:already |just |really |also |never |once )*(?:<d>|[a-z]+ed)\b", About(Past)),
    (r"^(?:you|thou)(?: now| also| just| really| then)*(?: can| could| may| might as well| might| should| shall| must| will| have to| need to| ought to| had better| are to| are free to| are allowed to| are welcome to| want to)?(?: now| also| just| then| please| kindly)* (?:<b>|<l>|get|let|give|go|have to|may have|can have)", Is(Order)),
    (r"^(?:you're|you are) (?:to|free to|allowed to|welcome to|requested to|asked to|kindly requested to|hereby ordered to|supposed to|invited to|authori[sz]ed to|cordially invited to)\b", Polite),
    (r"^(?:my (?:wish|desire|request|order|hope|intention|command|will) (?:is|would be)) (?:that|to|for)\b", Is(Order)),
    (r"^the (?:moment|time|hour|day|occasion) has come\b", Is(Order)),
    (r"^(?:your (?:[a-z]+ )?(?:task|job|mission|orders?|duty) (?:is|now is)) to\b", Polite),
    // Forbidden, wherever it stands.
    (r"\b(?:under no circumstances|on no account|in no case|by no means|at no time|not under any circumstances)\b", Is(Ban)),
    (r"^(?:<b>|let) (?:nothing|no|none|neither|nobody)\b", Is(Ban)),
    // Reports and plans without a subject.
    (r"^(?:failed|fails|unable|tried|tries|trying|forgot|managed|about to|planning|thinking|considering|looks?~?l? like|seems|seemed|turns~?s? out|apparently|glad|makes~s sense|hang~b on|take~b your time|copy~b that|each time|every time|hoping|wondering)\b", Is(Statement)),
    (r"^going to <b>", Is(Statement)),
    (r"^to <b>.* (?:you|one|i|we) (?:use~?b?|need|have|can|must|type~b)", Is(Statement)),
    (r"^[a-z]+~d ", Is(Statement)),
    (r"^<b> is (?:forbidden|prohibited|off limits|not allowed)\b", Is(Ban)),
    (r"^<b> (?:the|a|an|my|our|that|this|these|those|any|all|every) (?:failed|finished|completed|hung|crashed|started~d|stopped~d) [a-z0-9]", Then::Imperative),
    (r"^<b>(?: of [^ ]+| [^ ]+)? (?:failed|finished|fails|completed|succeeded|worked|hung|crashed|started~d|stopped~d)\b", Is(Statement)),
    (r"^(?:[a-z0-9._-]+ )?[a-z0-9._-]+ [a-z]+~[ds](?: |$)", Is(Statement)),
    (r"^(?:the |our |my |an? )?[a-z0-9._~-]+(?: [a-z0-9._~-]+){0,2} (?:can|may|will|could|might|would|should|wants~?s? to|tells|refuses~s to|fails to)(?: [a-z]+ly)? (?:delete|remove|restart|stop|start|write|overwrite|copy|create|kill|rename|reload|change|make|clean|rotate|replace|install|append)~b", Is(Statement)),
    (r"^(?:the |our |my )[a-z0-9._-]+(?: [a-z0-9._-]+){0,2} (?:tells?~?l?|says?~?l?|wants to|refuses~s|asks|wanted)\b", Is(Statement)),
    (r"^(?:the )?(?:[a-z]+ ){0,2}(?:way|ways|command|commands|steps|procedure|syntax|method|instructions|guide|recipe) (?:to|for|of)\b", Is(Mood::AskAct(Explanation))),
    (r"^open~b (?:up )?(?:the )?(?:tcp |udp )?ports? (?:[0-9]|for|to|number)", Is(Order)),
    (r"^(?:[a-z]+ly )?(?:free~b|open~b|mount~b|[a-z]+~d|available|last|latest|next|first|pending) (?:disk |memory )?(?:space|disks?|memory|ports?|files?|points?|packages|services|updates|backups?~?b?|restart~b|log~b|mounts~s|processes)\b", Is(AskState)),
    (r"^[a-z0-9._-]+(?:~b)? (?:logs~s|log~b|status|uptime|version|config|size|pid|ports?)$", Is(AskState)),
    (r"^(?:log~b|logs~s|status|start~b time|link~b target|owner|size|version) of\b", Is(AskState)),
    // Plain orders.
    (r"^<b>(?: |$)", Then::Imperative),
    (r"^<l>(?: |$)", Then::Imperative),
    (r"^<g>.*\b(?:forbidden|prohibited|off limits|off-limits|not allowed|not permitted|out of the question|out of bounds|taboo|banned~d)\b", Is(Ban)),
    (r"^<g>.* (?:is|was|would|will|could|might|may|can|has|had|seems|sounds)\b", Is(Statement)),
    (r"^<g>", Is(Unclear)),
    // What is said of a thing: it stays, it must go, it went.
    (r"\b(?:forbidden|prohibited|off limits|off-limits|sacrosanct|sacred|untouchable|out of bounds|out of the question|taboo|verboten|no-go|inviolable|none of your (?:business|concern))\b", Is(Ban)),
    (r"\b(?:no need|no reason|no point|no cause|no call|not necessary|not needed|unnecessary|needless|not worth|not required|superfluous|no necessity)\b", Is(Ban)),
    (r"(?:^| )(?:must|may|should|shall|can|will|would|ought|need|needs|dare|is|are|was|has|have|had|do|does) (?:not|never|no longer|in no)\b|(?:^| )(?:mustn't|shouldn't|can't|won't|wouldn't|needn't|isn't|aren't|oughtn't|don't|doesn't|couldn't)\b", BanOrNothing),
    (r"\b(?:stays?|remains?|stay|remain|keeps?) (?:exactly |just |precisely |right |strictly |forever |always )*(?:where|put|put~b|as|there|here|in place|running~g|untouched|on|up|intact|the|like|how|alive|safe|online|what|unchanged|available|open~b|at|in|with|that way|so|readable|[a-z]+ed|<g>)\b", Is(Ban)),
    (r"\b(?:must|should|shall|has to|have to|needs? to|is to|are to|ought to|may|can|will) (?:stay|remain|keep|survive|endure|be (?:left|kept|preserved|spared|respected|retained|safe))\b", Is(Ban)),
    (r"\bis (?:not for|to be left|mine|for me)\b", Is(Ban)),
    (r"\b(?:should|must|could|would|might|ought to) have (?:been )?(?:<d>|[a-z]+ed)\b", Is(Statement)),
    (r"\b(?:would be|would make~b|would do|will be|would prove|would seem~?[a-z]?)(?: really| very| so| most| much| rather| quite| both)* (?:nice|great|good|lovely|welcome|appreciated|helpful|perfect|ideal|grand|wonderful|better|handy|useful|super|fine|awesome|cool|best|a relief|desirable|a blessing|my delight)\b", Is(Order)),
    (r"\b(?:was|were|has been|have been|had been|got|gets|has got|is being|are being|has just been|has already been|was already|had to)(?: already| just| never| also| since| apparently| then)* (?:<d>|[a-z]+ed)\b", Is(Statement)),
    (r"^it (?:would|will|could|might|may|must|shall) (?:be|make~b|seem|look~l|do)\b", Is(Statement)),
    (r"^(?:there|it's|that's|this is|it is|that is)\b", Is(Statement)),
    (r"\b(?:will be|shall be|is going to be) (?:<d>|[a-z]+ed)\b", Is(Statement)),
    (r"\b(?:could|might) (?:be|probably|perhaps|maybe|go)\b", Is(Unclear)),
    (r"\b(?:must|should|shall|needs?|has to|have to|has got to|have got to|ought to|is to|are to|wants?|could do with|deserves?|had better|can|may|requires?|would like|is ready|is due|is overdue|is supposed|are supposed|is asking|are asking|is begging)(?: now| please| also| just| really| henceforth| [a-z]+ly| from now on)* (?:to )?(?:be|go|get|move~b|live|become|come|have|read~l|say~l|look~l|point|hold|contain|carry|bear|belong|lie|sit|exist|see|vanish|disappear|leave|appear|reside|migrate|retire~b|rest|cease|<b>|<g>|<d>|an?|the|your|another|some|replacing|of|for|die|cease|stand|[a-z]+ed)\b", Is(Order)),
    // Something to look at.
    (r"^(?:the )?(?:current|present|actual|latest)\b", Is(AskState)),
    (r"^(?:the |a |my |our )?(?:[a-z0-9~]+ ){0,3}(?:lines?|size|contents?|list~l|status|entries|uptime|usage|number|names?|total|sum) (?:of|from|in|for|under|on)\b", Is(AskState)),
    (r"^(?:[^ ]+ )?(?:§p|the|this|that|these|those|my|our|his|her|their|its|an?|it|it's|that's|[a-z0-9._-]+)(?: [a-z0-9'._§~-]+){0,6}? (?:is|are|was|were|has|have|had|does|did|'s|fell|broke|came|went|seems|seemed|looks|looked|keeps|kept|behaves|works|worked|feels|felt|died|crashed|ran~d|runs~s|got|gets|became|becomes|lost|grew|said|says|told|contains|holds|took~d|made~d|wrote~d|put~d)(?: |$)", Is(Statement)),
    (r"^(?:[a-z'.-]+ ){1,5}?[a-z]+~d (?:his|her|their|its|the|an?|my|our|§p|it|that|to|at|in|on|from|yesterday|last|again|§q|all|everything|some)(?: |$)", Is(Statement)),
    (r"^(?:§p|the|my|our|his|her|their|[a-z]+)(?: [a-z0-9'._~-]+){0,3} (?:[a-z]+~d|[a-z]+ed) (?:§p|the|my|our|it|that|to|at|in|on|from|yesterday|last|again|§q)", Is(Statement)),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pattern_is_one() {
        for (pattern, _) in TABLE {
            assert!(Regex::new(&expanded(pattern)).is_ok(), "{pattern}");
        }
        assert_eq!(all().len(), TABLE.len());
    }
}
