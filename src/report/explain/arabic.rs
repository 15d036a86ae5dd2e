//! Stories in Arabic.
//!
//! Every identifier is isolated, so that a number, a Latin name or a bracket within one cannot turn the sentence around.

use super::{Asks, Event, Roster, Scene, agent_name, isolated, named, rivals};
use crate::id::AgentId;
use crate::journal::{
    AgentStateName, CallbackResult, DispatchResult, EndReason, OfferResult, Party, QueueOutcome, Whom, Why,
};

/// One sentence, and its reasons.
pub(super) fn tell(event: &Event, roster: &Roster) -> (String, Vec<String>) {
    let who = |agent: &AgentId| isolated(&agent_name(agent, roster));
    let plain = |text: String| (text, Vec::new());
    match event {
        Event::Started { from, to } => plain(format!("اتصل {} بالرقم {}.", isolated(from), isolated(to))),
        Event::CallsBack { from, to } if from.is_empty() => plain(format!("عاود هاتف الاتصال بالرقم {}.", isolated(to))),
        Event::CallsBack { from, to } => {
            plain(format!("عاود هاتف الاتصال بالرقم {} الذي اتصل بالرقم {}.", isolated(to), isolated(from)))
        }
        Event::Booked { queue, number } => {
            let (queue, number) = (isolated(queue.as_str()), isolated(number));
            plain(format!("حُجزت معاودة الاتصال بالرقم {number}، ودوره في الطابور {queue} محفوظ."))
        }
        Event::Tried { tries, result, is_last } => {
            let next = if *is_last { "وكانت الأخيرة" } else { "وتُعاد لاحقًا" };
            plain(format!("لم تنجح محاولة معاودة الاتصال رقم {tries}: {}؛ {next}.", callback(*result)))
        }
        Event::Awaits { agent, wait_ms } => {
            plain(format!("صار {} جاهزًا للعميل بعد {}، وسمع رنين هاتفه.", who(agent), time(*wait_ms)))
        }
        Event::Reached => plain("ردّ العميل.".to_owned()),
        Event::CallbackOver { result } => plain(format!("لن يُعاود الاتصال به: {}.", callback(*result))),
        Event::Flow { flow } => plain(format!("خدم المسار {} المتصل.", isolated(flow))),
        Event::Queued { queue, position, asks, scene } => {
            let queue = isolated(queue.as_str());
            let text = match asks.callback {
                true => format!("حُفظ دوره في الطابور {queue} دون أن ينتظر على الخط: الدور {position}."),
                false => format!("دخل المتصل الطابور {queue} في الدور {position}."),
            };
            (text, wishes(asks).into_iter().chain(crew(scene, roster)).collect())
        }
        Event::Escalated { queue, step: Some(step) } => plain(format!(
            "طال انتظاره فبدأت الدرجة {} من سُلَّم الطابور {}: يجوز أن يخدمه آخرون.",
            isolated(step),
            isolated(queue.as_str())
        )),
        Event::Escalated { queue, step: None } => {
            plain(format!("أعاده إعداد جديد إلى ما قبل الدرجة الأولى من سُلَّم الطابور {}.", isolated(queue.as_str())))
        }
        Event::Relaxed { queue, skills, wait_ms } => plain(format!(
            "طال انتظاره في الطابور {} ومدته بالثواني {}، فصار المسار يطلب: {}.",
            isolated(queue.as_str()),
            wait_ms / 1_000,
            match skills.is_empty() {
                true => "بلا مهارة".to_owned(),
                false => skills.iter().map(|skill| isolated(skill)).collect::<Vec<_>>().join("، "),
            }
        )),
        Event::Diverted { queue, to, rule, figures } => {
            let figures = figures.map(|(is, most)| format!(" ({is} من {most})")).unwrap_or_default();
            let (rule, queue, to) = (isolated(rule), isolated(queue.as_str()), isolated(to));
            plain(format!("حوّلته القاعدة {rule} في الطابور {queue}{figures} إلى {to}."))
        }
        Event::Sticky { queue, whom, agent } => {
            let queue = isolated(queue.as_str());
            plain(match (whom, agent) {
                (Some(Whom::LastAgent), Some(agent)) => {
                    let agent = isolated(&agent_name(agent, roster));
                    format!("ينتظر أولًا في الطابور {queue} الموظف {agent} الذي كلّمه آخر مرة.")
                }
                (Some(Whom::LastAgent | Whom::Group), _) => {
                    format!("ينتظر أولًا في الطابور {queue} موظفي المجموعة المفضّلة.")
                }
                (Some(Whom::Dispatch), _) => format!("ينتظر في الطابور {queue} قرار خدمة التوزيع."),
                (Some(Whom::Chosen), _) => format!("ينتظر أولًا في الطابور {queue} من سمّتهم خدمة التوزيع."),
                (None, _) => format!("صار يجوز أن يخدمه أيّ موظف في الطابور {queue}."),
            })
        }
        Event::Message { queue, length_ms } => plain(format!(
            "ترك رسالة صوتية في صندوق الطابور {} مدتها بالثواني {}.",
            isolated(queue.as_str()),
            length_ms / 1_000
        )),
        Event::Said { node, length_ms } => {
            plain(format!("سُجّل كلامه كما طلبت العقدة {} ومدته بالثواني {}.", isolated(node), length_ms / 1_000))
        }
        Event::Dispatched { service, result, took_ms, agents, detail } => {
            let said = match result {
                DispatchResult::Decided if agents.is_empty() => "قرّرت".to_owned(),
                DispatchResult::Decided => {
                    let names: Vec<String> =
                        agents.iter().map(|agent| isolated(&agent_name(agent, roster)).clone()).collect();
                    format!("سمّت {}", names.join("، "))
                }
                DispatchResult::LeftToUs => "تركت القرار للطابور".to_owned(),
                DispatchResult::Timeout => "لم تجب في الوقت المحدد فالقرار للطابور".to_owned(),
                DispatchResult::Failed => "تعذّر سؤالها فالقرار للطابور".to_owned(),
                DispatchResult::Invalid => "أجابت بما لا يمكن العمل به فالقرار للطابور".to_owned(),
            };
            let detail = detail.as_ref().map(|detail| format!(" ({})", isolated(detail))).unwrap_or_default();
            plain(format!("خدمة التوزيع {} {said} بعد {took_ms} مللي ثانية{detail}.", isolated(service)))
        }
        Event::Moved { queue, position } => {
            plain(format!("نقلته قاعدة إلى الدور {position} في الطابور {}.", isolated(queue.as_str())))
        }
        Event::Reminded { prompt } => plain(format!("سمع المتصل الإعلان {}.", isolated(prompt))),
        Event::Announced { position, within_minutes } => {
            let wait = within_minutes.map(|minutes| match minutes {
                1 => "، وبأن الردّ متوقع في أقل من دقيقة".to_owned(),
                _ => format!("، وبأن الردّ متوقع خلال {}", counted(u64::from(minutes), MINUTES)),
            });
            plain(format!("أُعلِم المتصل بأن دوره {position}{}.", wait.unwrap_or_default()))
        }
        Event::Offered { agent, queue, why, scene } => {
            let text = format!("رنّ هاتف {} لأجله، من الطابور {}.", who(agent), isolated(queue.as_str()));
            (text, reasons(agent, why, scene, roster))
        }
        Event::OfferEnded { agent, result, ring_ms, sip_code } => {
            plain(ring_end(&who(agent), *result, &time(*ring_ms), *sip_code))
        }
        Event::Connected { agent, wait_ms, service_level_ms } => {
            let kept = if wait_ms <= service_level_ms { "ضمن" } else { "بعد" };
            let text = format!("تحدّث {} مع المتصل بعد انتظار {}.", who(agent), time(*wait_ms));
            (text, vec![format!("جاء ذلك {kept} المهلة المستهدفة: {}.", time(*service_level_ms))])
        }
        Event::Left { queue, outcome, wait_ms, scene } => {
            let wait = match wait_ms {
                0 => "فورًا".to_owned(),
                _ => format!("بعد انتظار {}", time(*wait_ms)),
            };
            let text = format!("{} {wait}.", left(*outcome, &isolated(queue.as_str())));
            (text, crew(scene, roster).into_iter().collect())
        }
        Event::TakenAway { agent, code: Some(code) } => {
            plain(format!("لم يردّ {} على عدة رنّات متتالية فأُوقف مؤقتًا ({}).", who(agent), isolated(code)))
        }
        Event::TakenAway { agent, code: None } => {
            plain(format!("لم يردّ {} على عدة رنّات متتالية فسُجّل خروجه.", who(agent)))
        }
        Event::WrapUp { agent } => plain(format!("بدأ {} أعمال ما بعد المكالمة.", who(agent))),
        Event::TalkEnded { agent, talk_ms, hold_ms } => {
            let hold =
                if *hold_ms == 0 { String::new() } else { format!("، منها {} تعليقًا", time(*hold_ms)) };
            plain(format!("انتهت المحادثة مع {} بعد {}{hold}.", who(agent), time(*talk_ms)))
        }
        Event::Dialed { target } => plain(format!("اتُّصل من أجله بـ {}.", isolated(target))),
        Event::Bridged { target } => plain(format!("ردّ {} وتحدّثا.", isolated(target))),
        Event::DialFailed { target, sip_code } => {
            plain(format!("تعذّر الوصول إلى {} ({}).", isolated(target), status(*sip_code)))
        }
        Event::Transferred { by, to } => plain(format!("حوّل {} المتصل إلى {}.", who(by), isolated(to))),
        Event::TransferFailed { by, to, sip_code } => {
            plain(format!("حاول {} تحويله إلى {} فلم ينجح ({}).", who(by), isolated(to), status(*sip_code)))
        }
        Event::TakenOver { by, agent } => plain(format!("تولّى {} المكالمة بدلًا من {}.", who(by), who(agent))),
        Event::FlowFailed { flow, node, detail, fallback } => {
            let then = match fallback {
                Some(queue) => format!("تولّته قائمة الانتظار {}.", isolated(queue.as_str())),
                None => "سمع اعتذارًا وانتهت المكالمة.".to_owned(),
            };
            plain(format!("تعطّل المسار {} عند العقدة {}: {}. {then}", isolated(flow), isolated(node), isolated(detail)))
        }
        Event::Trouble { code, detail } => plain(format!("خلل: {} ({}).", isolated(detail), isolated(code))),
        Event::Restarted => plain("أُعيد تشغيل هاتف أثناء المكالمة.".to_owned()),
        Event::Ended { by, reason, sip_code } => {
            let by = match by {
                Party::Customer => "أنهى المتصل المكالمة",
                Party::Agent => "أنهى الطرف الآخر المكالمة",
                Party::System => "أنهى هاتف المكالمة",
            };
            plain(format!("{by}: {} ({}).", end(*reason), status(*sip_code)))
        }
    }
}

fn status(sip_code: u16) -> String {
    isolated(&format!("SIP {sip_code}"))
}

/// A number with its noun as Arabic counts: one, two, 3 to 10, 11 to 99, and hundreds.
fn counted(count: u64, [one, two, few, many, hundred]: [&str; 5]) -> String {
    match (count, count % 100) {
        (1, _) => one.to_owned(),
        (2, _) => two.to_owned(),
        (_, 3..=10) => format!("{count} {few}"),
        (_, 11..=99) => format!("{count} {many}"),
        (_, _) => format!("{count} {hundred}"),
    }
}

const SECONDS: [&str; 5] = ["ثانية واحدة", "ثانيتين", "ثوانٍ", "ثانية", "ثانية"];
const MINUTES: [&str; 5] = ["دقيقة واحدة", "دقيقتين", "دقائق", "دقيقة", "دقيقة"];
const CALLERS: [&str; 5] = ["متصل واحد", "متصلان", "متصلين", "متصلًا", "متصل"];

/// `4.2 ثانية`, `دقيقتين و5 ثوانٍ`; in the genitive, as all sentences here want it.
fn time(ms: u64) -> String {
    let (minutes, seconds) = (ms / 60_000, ms / 1_000 % 60);
    match (minutes, seconds) {
        (0, _) if ms < 10_000 && ms % 1_000 >= 100 => format!("{}.{} ثانية", ms / 1_000, ms % 1_000 / 100),
        (0, _) => counted(seconds, SECONDS),
        (_, 0) => counted(minutes, MINUTES),
        (_, _) => format!("{} و{}", counted(minutes, MINUTES), counted(seconds, SECONDS)),
    }
}

fn list(names: impl IntoIterator<Item = String>) -> String {
    names.into_iter().collect::<Vec<_>>().join("، ")
}

fn wishes(asks: &Asks) -> Option<String> {
    let mut parts = Vec::new();
    if !asks.skills.is_empty() {
        parts.push(format!("المهارات {}", list(asks.skills.iter().map(|s| isolated(s)))));
    }
    if asks.priority > 0 {
        parts.push(format!("أسبقية {}", counted(u64::from(asks.priority), MINUTES)));
    }
    parts.extend(asks.segment.as_ref().map(|segment| format!("الشريحة {}", isolated(segment))));
    if asks.transferred {
        parts.push("دوره من انتظاره الأول".to_owned());
    }
    if asks.resumed {
        parts.push("دوره قبل أن يُغلق الخط قبل قليل".to_owned());
    }
    (!parts.is_empty()).then(|| format!("جاء ومعه: {}.", list(parts)))
}

/// Who was there for a queue, by state.
fn crew(scene: &Scene, roster: &Roster) -> Option<String> {
    let groups = scene.iter().map(|(state, agents)| {
        let count = u32::try_from(agents.len()).unwrap_or(u32::MAX);
        group(state.as_str(), count, scene, roster)
    });
    let groups: Vec<String> = groups.collect();
    (!groups.is_empty()).then(|| format!("موظفو الطابور حينها: {}.", groups.join("؛ ")))
}

/// A condition, how many are in it and who: the number after the noun, so that it need not agree.
fn group(cause: &str, count: u32, scene: &Scene, roster: &Roster) -> String {
    let names = named(scene, cause, count).iter().map(|(agent, code)| {
        let name = isolated(&agent_name(agent, roster));
        code.as_ref().map_or(name.clone(), |code| format!("{name} {}", isolated(code)))
    });
    let names = list(names);
    let names = if names.is_empty() { names } else { format!(" ({names})") };
    match cause.strip_prefix("skill ") {
        Some(skill) => format!("بلا مهارة {}: {count}", isolated(skill)),
        None => format!("{}: {count}{names}", condition(cause)),
    }
}

/// A state of an agent, or what else keeps him from being offered.
fn condition(cause: &str) -> String {
    let state = AgentStateName::ALL.into_iter().find(|state| state.as_str() == cause);
    let known = match state {
        Some(AgentStateName::Offline) => "خارج الخدمة",
        Some(AgentStateName::Ready) => "متاح",
        Some(AgentStateName::Ringing) => "يرنّ هاتفه لمتصل آخر",
        Some(AgentStateName::Busy) => "في محادثة",
        Some(AgentStateName::Hold) => "متصله على الانتظار",
        Some(AgentStateName::WrapUp) => "في أعمال ما بعد المكالمة",
        Some(AgentStateName::Paused) => "متوقف مؤقتًا",
        Some(AgentStateName::Unreachable) => "بلا هاتف متصل",
        None if cause == "delayed" => "في مهلة بعد رنّة لم تُثمر",
        None if cause == "excluded" => "لم يأخذ هذا المتصل قبل قليل",
        None => return isolated(cause),
    };
    known.to_owned()
}

fn reasons(agent: &AgentId, why: &Why, scene: &Scene, roster: &Roster) -> Vec<String> {
    // Whoever is waited for is not chosen among others.
    let mut told: Vec<String> = if why.sticky == Some(Whom::LastAgent) { Vec::new() } else { vec![choice(why)] };
    if why.beside > 0 {
        told.push(format!("عدد الهواتف التي ترنّ للمتصل نفسه قبله: {}.", why.beside));
    }
    match why.sticky {
        Some(Whom::LastAgent) => told.push("كلّم هذا المتصل آخر مرة، فانتظره المتصل.".to_owned()),
        Some(Whom::Chosen) => told.push("سمّته خدمة التوزيع لهذا المتصل.".to_owned()),
        Some(Whom::Group) => told.push("هو من المجموعة التي انتظرها المتصل أولًا.".to_owned()),
        Some(Whom::Dispatch) | None => {}
    }
    if let Some(step) = &why.step {
        told.push(format!("يخدم هذا المتصل بحكم الدرجة {} من السُّلَّم.", isolated(step)));
    }
    let others = rivals(scene, why, agent);
    told.push(match (why.eligible, others.is_empty()) {
        (0 | 1, _) => "لم يكن غيره متاحًا له.".to_owned(),
        (all, true) => format!("عدد من كان يمكن أن يُعرض عليهم: {all}."),
        (_, false) => {
            let names = list(others.into_iter().map(|agent| isolated(&agent_name(agent, roster))));
            format!("نُظر أيضًا في: {names}.")
        }
    });
    if !why.passed_over.is_empty() {
        let groups = why.passed_over.iter().map(|(cause, count)| group(cause, *count, scene, roster));
        told.push(format!("من تُخطّي: {}.", groups.collect::<Vec<_>>().join("؛ ")));
    }
    let listed = |skills: &[String]| list(skills.iter().map(|s| isolated(s)));
    if !why.preferred.is_empty() {
        told.push(format!("يحقق المفضَّل: {}.", listed(&why.preferred)));
    }
    if !why.unmet.is_empty() {
        told.push(format!("لا أحد من المتاحين يحقق من المفضَّل أكثر منه؛ لم يتحقق: {}.", listed(&why.unmet)));
    }
    told.push(turn(why));
    told
}

fn choice(why: &Why) -> String {
    let idle = format!("فراغه منذ {}", time(why.idle_ms));
    let figure = why.figure.unwrap_or_default();
    match why.rule.as_str() {
        "longest_idle" => format!("هو الأطول فراغًا: منذ {}.", time(why.idle_ms)),
        "ring_all" => format!("رنّت هواتف المتاحين جميعًا. {idle}."),
        "ring_progressive" => format!("هو الأطول فراغًا ممن لم يرنّ هاتفه بعد: منذ {}.", time(why.idle_ms)),
        "fewest_calls" => format!("هو الأقل ردًّا على المتصلين: {figure}. {idle}."),
        "least_talk" => format!("هو الأقل حديثًا: {}. {idle}.", time(figure)),
        "round_robin" => format!("جاء دوره في الدورة (ترتيبه في الملف {figure}). {idle}."),
        "linear" => format!("هو أول المتاحين في الملف (ترتيبه {figure}). {idle}."),
        "random" => format!("وقعت عليه القرعة. {idle}."),
        "weighted" => format!("وقعت عليه القرعة بوزن {figure}. {idle}."),
        rule => format!("اختير بالقاعدة {}. {idle}.", isolated(rule)),
    }
}

/// Why it was this caller's turn.
fn turn(why: &Why) -> String {
    let waiting = counted(u64::from(why.waiting), CALLERS);
    let mut text = format!("كان المتصل قد انتظر {}؛ وفي الطابور {waiting}", time(why.waited_ms));
    if let Some(score) = why.score_s {
        text.push_str(&format!("؛ ونقاطه {}", isolated(&score.to_string())));
    }
    if let Some(ahead) = &why.ahead {
        text.push_str(&match ahead.strip_prefix("priority ") {
            Some(priority) => format!("؛ وأولويته المطلقة {priority} سبقت النقاط"),
            None if ahead == "overdue" => "؛ وقد طال انتظاره فلا يسبقه أحد".to_owned(),
            None => format!("؛ وقدّمته القاعدة {}", isolated(ahead)),
        });
    }
    text.push('.');
    text
}

fn ring_end(who: &str, result: OfferResult, rang: &str, sip_code: Option<u16>) -> String {
    let status = sip_code.map(|code| format!(" ({})", status(code))).unwrap_or_default();
    match result {
        OfferResult::Accepted => format!("ردّ {who} بعد {rang}."),
        OfferResult::NoAnswer => format!("لم يردّ {who} خلال {rang}."),
        OfferResult::Rejected => format!("رفض {who} المكالمة بعد {rang}{status}."),
        OfferResult::Busy => format!("كان هاتف {who} مشغولًا{status}."),
        OfferResult::Unreachable => format!("تعذّر الوصول إلى هاتف {who}{status}."),
        OfferResult::Timeout => format!("لم يستجب هاتف {who} إطلاقًا{status}."),
        OfferResult::CallerGone => format!("أُوقف رنين هاتف {who} بعد {rang}: غادر المتصل."),
        OfferResult::LostRace => format!("أُوقف رنين هاتف {who} بعد {rang}: سبقه غيره إلى الردّ."),
        OfferResult::Withdrawn => format!("أُوقف رنين هاتف {who} بعد {rang}: تغيّرت حالته."),
    }
}

fn callback(result: CallbackResult) -> &'static str {
    match result {
        CallbackResult::Reached => "رُدّ على الاتصال",
        CallbackResult::NoAnswer => "لم يردّ أحد",
        CallbackResult::Busy => "كان الهاتف مشغولًا",
        CallbackResult::Failed => "تعذّر الوصول إلى الرقم",
        CallbackResult::Expired => "انقضت مهلتها",
        CallbackResult::Cancelled => "أُلغيت",
    }
}

fn left(outcome: QueueOutcome, queue: &str) -> String {
    match outcome {
        QueueOutcome::Answered => format!("رُدّ عليه وغادر الطابور {queue}"),
        QueueOutcome::Abandoned => format!("أغلق المتصل الخط في الطابور {queue}"),
        QueueOutcome::Timeout => format!("انقضى أطول انتظار في الطابور {queue} فغادره"),
        QueueOutcome::Full => format!("امتلأ الطابور {queue} فلم يُقبل"),
        QueueOutcome::NoneLoggedIn => format!("لم يكن أحد من موظفي الطابور {queue} حاضرًا فغادره"),
        QueueOutcome::NoneSkilled => format!("لم يملك أحد من الحاضرين في الطابور {queue} المهارات المطلوبة فغادره"),
        QueueOutcome::AllPaused => format!("كان كل من يستطيع خدمته في الطابور {queue} متوقفًا فغادره"),
        QueueOutcome::Key => format!("غادر الطابور {queue} بضغط مفتاح"),
        QueueOutcome::Callback => format!("غادر الطابور {queue} بضغط مفتاح ليُعاود الاتصال به"),
        QueueOutcome::Withdrawn => format!("سُحب دوره المحفوظ من الطابور {queue}"),
        QueueOutcome::Overflow => format!("فاض الطابور {queue} عن طاقة موظفيه فغادره"),
        QueueOutcome::NoAgents => format!("لا أحد يخدم الطابور {queue} فغادره"),
        QueueOutcome::Closed => format!("كان الطابور {queue} خارج أوقات عمله فلم يُقبل"),
        QueueOutcome::Transferred => format!("أُخرج من الطابور {queue} بيد غيره"),
    }
}

fn end(reason: EndReason) -> &'static str {
    match reason {
        EndReason::Normal => "تمّ كل شيء",
        EndReason::Abandoned => "قبل أن يُخدم",
        EndReason::NoAnswer => "لم يردّ أحد",
        EndReason::Busy => "كان الطرف الآخر مشغولًا",
        EndReason::Rejected => "رُفضت",
        EndReason::QueueTimeout => "انقضى أطول انتظار",
        EndReason::QueueFull => "كان الطابور ممتلئًا",
        EndReason::NoAgents => "لا أحد يخدم الطابور",
        EndReason::Closed => "كان الطابور مغلقًا في هذه الساعة",
        EndReason::Callback => "سيُعاود الاتصال به",
        EndReason::NoAck => "لم يؤكد هاتف المتصل ردّنا",
        EndReason::NoPort => "لم يتوفر منفذ للصوت",
        EndReason::NoCodec => "لا ترميز مشتركًا للصوت",
        EndReason::MediaTimeout => "انقطع الصوت",
        EndReason::FlowError => "تعطّل المسار",
        EndReason::Limit => "بلغت أقصى مدة مسموحة",
        EndReason::Shutdown => "كان هاتف يتوقف",
        EndReason::InternalError => "خلل في هاتف",
        EndReason::NodeFailure => "توقفت عملية هاتف فجأة",
    }
}
