package cli

import (
	"strings"

	"github.com/alecthomas/kong"

	"muster/internal/cli/term"
)

// printHelp is kong's help, with the many settings of the server left to their
// own page.
func printHelp(options kong.HelpOptions, ctx *kong.Context) error {
	if node := ctx.Selected(); node != nil && isSetting(node) {
		hideSettings(node)
		if err := kong.DefaultHelpPrinter(options, ctx); err != nil {
			return err
		}
		_, err := ctx.Stdout.Write([]byte("\nEvery setting of the server can be given as a flag too: muster config reference lists them.\n"))
		return err
	}
	return kong.DefaultHelpPrinter(options, ctx)
}

// isSetting says whether a command takes the server's settings.
func isSetting(node *kong.Node) bool {
	for _, f := range node.Flags {
		if strings.Contains(f.Name, ".") {
			return true
		}
	}
	return false
}

// hideSettings hides the flags that have only a dotted name.
func hideSettings(node *kong.Node) {
	for _, f := range node.Flags {
		if strings.Contains(f.Name, ".") {
			f.Hidden = true
		}
	}
}

// translate puts the Chinese of the help in place.
func translate(model *kong.Application) {
	model.Help = "Muster：实时频道、持久群组，以及把频道成员导入群组的“导入”。" +
		"需要服务器的命令使用 --server URL 与 muster login 的会话或 MUSTER_TOKEN；不指定时，通过数据目录中的管理套接字连接本机服务器。"
	for _, node := range model.Children {
		translateNode(node, "")
	}
}

func translateNode(node *kong.Node, path string) {
	path = strings.TrimSpace(path + " " + node.Name)
	node.Help = term.Chinese.Of(node.Help, chineseHelp[path])
	for _, child := range node.Children {
		translateNode(child, path)
	}
}

// chineseHelp is what each command does, in Chinese. A test holds it complete.
var chineseHelp = map[string]string{
	"serve":              "运行服务器：API、实时连接、网页与数据库同在一个进程。",
	"demo":               "十秒看懂 Muster：一台服务器、一万人、一次导入，并核对每个数字。",
	"account":            "账号：创建、列表、查看、认领、链接、角色、停用、会话。",
	"account create":     "创建账号；不设密码则生成本人认领的链接。",
	"account list":       "按名称列出账号。",
	"account show":       "查看账号；不指定则为当前账号。",
	"account claim":      "用一次性链接认领账号：服务器首位所有者，或为你创建的账号。",
	"account link":       "生成新的一次性链接；旧密码与会话失效。",
	"account role":       "设置账号在服务器上的角色：user、admin 或 owner。",
	"account suspend":    "停用账号并结束其会话；--lift 恢复。",
	"account sessions":   "列出当前账号的会话。",
	"account revoke":     "结束一个会话或其他全部会话；连接在一秒内断开。",
	"account direct-add": "谁可以把当前账号加入群：allow、ask 或 refuse。",
	"account block":      "拉黑账号，使其不能添加或邀请你；--lift 取消。",
	"channel":            "频道与频道成员：创建、列表、导入、导出、成员、等级、封禁等。",
	"channel create":     "创建频道，当前账号为所有者。",
	"channel list":       "列出频道树。",
	"channel show":       "查看频道。",
	"channel delete":     "删除没有子频道的频道及其成员名单。",
	"channel import":     "从任意大小的 CSV 或 JSON Lines 文件导入频道成员；可安全重复运行。",
	"channel export":     "导出频道成员为 CSV 或 JSON Lines。",
	"channel roster":     "列出频道成员，等级高者在前。",
	"channel level":      "把某人以某等级加入频道成员，或更改等级。",
	"channel remove":     "把某人移出频道成员与房间。",
	"channel ban":        "移出并封禁某人。",
	"channel unban":      "解除封禁。",
	"channel bans":       "列出被封禁者。",
	"channel present":    "列出此刻在房间内的人。",
	"group":              "群：创建、列表、查看、成员、邀请、角色、移除、分组、等级映射。",
	"group create":       "创建群，当前账号为群主。",
	"group list":         "列出当前账号的群。",
	"group show":         "查看群及其分组与等级映射。",
	"group members":      "列出群成员。",
	"group invite":       "邀请入群，由各人自己回答。",
	"group role":         "设为 admin 或 member；owner 表示转让。",
	"group remove":       "移出成员。",
	"group subgroups":    "列出、添加、改名或删除分组。",
	"group map":          "设置哪些等级进入哪个分组。",
	"group leave":        "当前账号退群。",
	"group dissolve":     "解散群，仅群主可用。",
	"enrol":              "把频道成员导入群：按等级直接加入或先询问。",
	"enrol start":        "预览或开始导入（即不带子命令的 muster enrol）。",
	"enrol list":         "列出群的导入任务，最新在前。",
	"enrol show":         "查看导入任务及计数。",
	"enrol watch":        "跟踪导入任务直到结束。",
	"enrol cancel":       "停止导入并撤回未答复的询问；已加入者保留。",
	"enrol undo":         "撤销导入：仅移除由它加入且之后未接受、未发言的人。",
	"enrol invitations":  "列出当前账号未答复的询问。",
	"enrol answer":       "答复询问：accept、decline 或 leave（拒绝并退出频道）。",
	"send":               "向群发送消息；得到回复即已持久保存。",
	"tail":               "实时跟踪群或频道。",
	"backup":             "在服务器运行时，把已确认的全部数据备份到文件。",
	"restore":            "从备份生成数据目录；服务器不得在运行。",
	"doctor":             "检查本机现有或将有的问题。",
	"config":             "服务器设置：检查、打印、参考。",
	"config check":       "列出设置中的全部错误；有错时退出码为 2。",
	"config print":       "以 TOML 打印生效的设置及其来源，密码已遮蔽。",
	"config reference":   "打印全部设置的说明（Markdown）。",
	"config example":     "打印带全部设置与默认值的示例配置文件。",
	"login":              "登录服务器，供之后的命令使用。",
	"logout":             "结束该会话。",
	"version":            "打印版本。",
}
