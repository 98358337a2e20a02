//! Junk as crawls have it, made by rules: menus, garbled text, code, spam of keywords, boilerplate, other languages, and
//! repetition by machines.

/// The kinds of junk.
pub(crate) const KINDS: [&str; 7] =
    ["navigation", "mojibake", "code", "keywords", "boilerplate", "other language", "repetition"];

/// Draws by a linear congruential generator: the same junk every time.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % limit
    }

    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }

    fn some(&mut self, of: &[&str], least: usize, most: usize, between: &str) -> String {
        let count = least + self.below(most - least + 1);
        (0..count).map(|_| self.one(of)).collect::<Vec<_>>().join(between)
    }
}

/// A document of junk; `prose` is sound text to garble and to repeat.
pub(crate) fn junk(kind: &str, dice: &mut Dice, prose: &[String]) -> String {
    match kind {
        "navigation" => navigation(dice),
        "mojibake" => mojibake(dice, prose),
        "code" => code(dice),
        "keywords" => keywords(dice),
        "boilerplate" => boilerplate(dice),
        "other language" => other_language(dice),
        _ => repetition(dice, prose),
    }
}

const MENU: [&str; 56] = [
    "首页",
    "新闻",
    "体育",
    "娱乐",
    "财经",
    "科技",
    "汽车",
    "房产",
    "教育",
    "时尚",
    "旅游",
    "游戏",
    "读书",
    "视频",
    "博客",
    "论坛",
    "彩票",
    "天气",
    "邮箱",
    "微博",
    "地图",
    "导航",
    "军事",
    "历史",
    "健康",
    "美食",
    "星座",
    "母婴",
    "关于我们",
    "联系我们",
    "网站地图",
    "广告服务",
    "诚聘英才",
    "法律声明",
    "常见问题",
    "友情链接",
    "会员登录",
    "免费注册",
    "收藏本站",
    "设为首页",
    "返回顶部",
    "上一篇",
    "下一篇",
    "更多",
    "热门推荐",
    "最新文章",
    "排行榜",
    "我的订单",
    "购物车",
    "在线客服",
    "意见反馈",
    "手机版",
    "Home",
    "About",
    "Login",
    "Contact",
];

fn navigation(dice: &mut Dice) -> String {
    let between = dice.one(&["\n", " | ", "  ", " > ", "\n- ", " · ", "｜", "\n\n"]);
    let mut text = dice.some(&MENU, 25, 120, between);
    if dice.below(3) == 0 {
        text.push_str("\n当前位置：首页 > 新闻中心 > 正文");
    }
    text
}

fn excerpt(dice: &mut Dice, prose: &[String]) -> String {
    let text = &prose[dice.below(prose.len())];
    text.chars().take(80 + dice.below(400)).collect()
}

fn mojibake(dice: &mut Dice, prose: &[String]) -> String {
    let text = excerpt(dice, prose);
    let gbk = encoding_rs::GBK.encode(&text).0;
    match dice.below(4) {
        0 => encoding_rs::GBK.decode_without_bom_handling(text.as_bytes()).0.into_owned(),
        1 => String::from_utf8_lossy(&gbk).into_owned(),
        2 => encoding_rs::WINDOWS_1252.decode_without_bom_handling(&gbk).0.into_owned(),
        _ => encoding_rs::BIG5.decode_without_bom_handling(&gbk).0.into_owned(),
    }
}

const NAMES: [&str; 16] = [
    "value", "index", "result", "user", "config", "data", "list", "request", "response", "name", "count",
    "node", "buffer", "item", "path", "self",
];
const COMMENTS: [&str; 8] = [
    "初始化",
    "返回结果",
    "遍历列表",
    "读取配置文件",
    "判断是否为空",
    "TODO: 优化性能",
    "用户登录",
    "发送请求",
];

fn code(dice: &mut Dice) -> String {
    let kind = dice.below(5);
    let lines = 8 + dice.below(30);
    let line = |dice: &mut Dice| {
        let (a, b, c) = (dice.one(&NAMES), dice.one(&NAMES), dice.one(&NAMES));
        let comment = dice.one(&COMMENTS);
        match kind {
            0 => match dice.below(5) {
                0 => format!("def get_{a}_{b}({c}, {b}=None):"),
                1 => format!("    {a} = {b}.get(\"{c}\", {})  # {comment}", dice.below(100)),
                2 => format!("    for {a} in range(len({b})):"),
                3 => format!("        if {a}[{b}] != {c} and not {a}.is_empty():"),
                _ => format!("    return {{\"{a}\": {b}, \"{c}\": [x for x in {a}]}}"),
            },
            1 => match dice.below(4) {
                0 => format!("var {a} = document.getElementById('{b}'); // {comment}"),
                1 => format!("$('#{a}').on('click', function({b}) {{ {c}.submit(); }});"),
                2 => format!("if ({a} && {b}.length > {}) {{ {c}++; }}", dice.below(50)),
                _ => format!("const {a} = async ({b}) => {{ await {c}.fetch(`/api/${{{b}}}`); }};"),
            },
            2 => match dice.below(3) {
                0 => format!(
                    ".{a}-{b} {{ width: {}px; color: #{:06x}; }}",
                    dice.below(900),
                    dice.below(0xff_ffff)
                ),
                1 => format!(
                    "#{a} > .{c}:hover {{ background: url(/img/{b}.png) no-repeat; }} /* {comment} */"
                ),
                _ => format!(
                    "@media (max-width: {}px) {{ .{a} {{ display: none !important; }} }}",
                    dice.below(900)
                ),
            },
            3 => match dice.below(3) {
                0 => format!(
                    "SELECT `{a}`, COUNT(*) FROM {b}_{c} WHERE {a} >= {} GROUP BY `{a}`;",
                    dice.below(99)
                ),
                1 => format!("INSERT INTO {a} ({b}, {c}) VALUES ({}, '{comment}');", dice.below(999)),
                _ => format!("ALTER TABLE {a} ADD INDEX idx_{b} ({c}) USING BTREE;"),
            },
            _ => match dice.below(4) {
                0 => format!("    int {a} = {b}->{c}[{}];  /* {comment} */", dice.below(64)),
                1 => format!("    if ({a} == NULL || {b} < 0) {{ return -{}; }}", dice.below(30)),
                2 => format!("static void {a}_{b}(struct {c} *{a}, size_t {b})"),
                _ => format!("    memcpy({a}, &{b}.{c}, sizeof({a})); // {comment}"),
            },
        }
    };
    (0..lines).map(|_| line(dice)).collect::<Vec<_>>().join("\n")
}

const CITIES: [&str; 16] = [
    "北京", "上海", "广州", "深圳", "杭州", "南京", "武汉", "成都", "西安", "重庆", "天津", "苏州", "长沙",
    "郑州", "青岛", "沈阳",
];
const GOODS: [&str; 20] = [
    "搬家公司",
    "开锁公司",
    "二手房",
    "租房网",
    "办证",
    "发票",
    "贷款",
    "减肥药",
    "空调维修",
    "装修公司",
    "旅行社",
    "婚纱摄影",
    "学车",
    "电动门",
    "不锈钢管",
    "水泵厂家",
    "监控安装",
    "私家侦探",
    "代孕",
    "网站建设",
];
const SUFFIXES: [&str; 8] = ["价格", "哪家好", "电话", "厂家", "批发", "排名", "多少钱", "官网"];

fn keywords(dice: &mut Dice) -> String {
    let between = dice.one(&[" ", ",", "，", "、", "|", "_", "\n", ";"]);
    let (city, goods) = (dice.one(&CITIES), dice.one(&GOODS));
    let style = dice.below(3);
    let count = 20 + dice.below(80);
    let word = |dice: &mut Dice| match style {
        0 => format!("{city}{}{}", dice.one(&GOODS), dice.one(&SUFFIXES)),
        1 => format!("{}{goods}{}", dice.one(&CITIES), dice.one(&SUFFIXES)),
        _ => format!("{}{}{}", dice.one(&CITIES), dice.one(&GOODS), dice.one(&SUFFIXES)),
    };
    (0..count).map(|_| word(dice)).collect::<Vec<_>>().join(between)
}

fn boilerplate(dice: &mut Dice) -> String {
    let year = 1998 + dice.below(25);
    let mut lines = vec![
        format!("Copyright © {year}-{} www.example{}.com All Rights Reserved.", year + 3, dice.below(999)),
        format!(
            "京ICP备{:08}号-{} 京公网安备{}号",
            dice.below(99_999_999),
            dice.below(9),
            11_010_500_000 + dice.below(99_999)
        ),
        format!("增值电信业务经营许可证：B2-{:08}", dice.below(20_200_000)),
        format!(
            "客服电话：400-{:03}-{:04} 传真：010-{:08}",
            dice.below(999),
            dice.below(9999),
            dice.below(99_999_999)
        ),
        format!(
            "发布时间：{year}-{:02}-{:02} 10:{:02} 点击：{} 次",
            1 + dice.below(12),
            1 + dice.below(28),
            dice.below(60),
            dice.below(9999)
        ),
        "上一篇：没有了 下一篇：没有了".to_owned(),
        "分享到：QQ空间 新浪微博 腾讯微博 微信 人人网".to_owned(),
        "您的浏览器版本过低 请升级浏览器 Chrome Firefox IE9+".to_owned(),
        "用户名 密码 验证码 记住我 忘记密码 立即注册".to_owned(),
        format!("共{}页 首页 上一页 1 2 3 4 5 6 7 8 9 10 下一页 尾页", dice.below(500)),
        "网友评论 0条 查看全部 发表评论 匿名 提交".to_owned(),
        format!("Powered by Discuz! X3.{} © 2001-{year} Comsenz Inc.", dice.below(5)),
        "版权所有 未经授权 禁止转载 技术支持 XX网络".to_owned(),
    ];
    // A page has some of them, in any order.
    for at in (1..lines.len()).rev() {
        lines.swap(at, dice.below(at + 1));
    }
    lines.truncate(3 + dice.below(8));
    lines.join("\n")
}

fn other_language(dice: &mut Dice) -> String {
    let japanese = [
        "今日は天気がいいので、公園へ散歩に行きました。",
        "東京都の人口は日本全国で最も多いです。",
        "この商品は送料無料でお届けいたします。",
        "詳しくはホームページをご覧ください。",
        "新しい映画が来週の金曜日に公開されます。",
        "お問い合わせはこちらからお願いします。",
    ];
    let korean = [
        "오늘은 날씨가 좋아서 공원에 산책을 갔습니다.",
        "서울의 인구는 한국에서 가장 많습니다.",
        "자세한 내용은 홈페이지를 참조하십시오.",
        "새로운 영화가 다음 주에 개봉합니다.",
        "大韓民國의 首都는 서울이다.",
    ];
    let english = [
        "The weather was fine, so we went for a walk in the park.",
        "This product ships free of charge within three days.",
        "Please see our home page (主页) for further details.",
        "A new film opens next Friday in most theatres.",
        "All visitors must register at the front desk.",
    ];
    let russian = [
        "Сегодня хорошая погода, и мы пошли гулять в парк.",
        "Подробности смотрите на нашем сайте.",
        "Новый фильм выходит в пятницу.",
        "Москва — столица России.",
    ];
    let vietnamese = [
        "Hôm nay trời đẹp nên chúng tôi đi dạo công viên.",
        "Xem thêm chi tiết trên trang chủ.",
        "Hà Nội là thủ đô.",
    ];
    match dice.below(5) {
        0 => dice.some(&japanese, 4, 12, ""),
        1 => dice.some(&korean, 4, 12, " "),
        2 => dice.some(&english, 4, 12, " "),
        3 => dice.some(&russian, 4, 12, " "),
        _ => dice.some(&vietnamese, 4, 12, " "),
    }
}

fn repetition(dice: &mut Dice, prose: &[String]) -> String {
    let text: String = excerpt(dice, prose).split_whitespace().collect();
    let part: String = text.chars().take(12 + dice.below(60)).collect();
    match dice.below(5) {
        0 => format!("{part}\n").repeat(4 + dice.below(20)),
        1 => part.repeat(4 + dice.below(20)),
        2 => dice.one(&["哈", "啊", "赞", "6", "好"]).repeat(60 + dice.below(300)),
        3 => (0..6 + dice.below(20)).map(|i| format!("{}{part}\n", CITIES[i % CITIES.len()])).collect(),
        _ => {
            let phrase: String = text.chars().take(4 + dice.below(4)).collect();
            (0..20 + dice.below(40)).map(|_| format!("{phrase}，{}的", dice.one(&GOODS))).collect()
        }
    }
}
